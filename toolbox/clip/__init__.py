"""A stand-in for OpenAI's `clip` package; used where the real one cannot be imported.

Trainers of the CoOp family write `from clip import clip` and then `clip.load`, `clip.tokenize`, `clip._MODELS[name]`,
`clip._download(url)` and `clip.build_model(state_dict)`, those of MaPLe's `clip.build_model(state_dict, design_details)`; the
tokeniser is `clip.simple_tokenizer.SimpleTokenizer`.
"""

from .clip import _MODELS, _download, available_models, build_model, load, tokenize

__all__ = ["_MODELS", "_download", "available_models", "build_model", "load", "tokenize"]
