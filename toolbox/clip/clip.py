"""Loading models and tokenising text, under the names OpenAI's package gave them."""

from collections.abc import Callable
from textwrap import shorten

import torch
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

from toolbox.errors import UserError

from .archives import MODELS as _MODELS
from .archives import download as _download
from .archives import read_state_dict
from .model import CLIP, build_model
from .simple_tokenizer import SimpleTokenizer

__all__ = ["available_models", "build_model", "load", "tokenize"]

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)
_DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
_tokenizer = SimpleTokenizer()


def available_models() -> list[str]:
    """Names that `load` knows; it takes the path of a file as well."""
    return list(_MODELS)


def load(
    name: str,
    device: str | torch.device = _DEVICE,
    jit: bool = False,
    download_root: str | None = None,
) -> tuple[CLIP, Callable[[Image.Image], torch.Tensor]]:
    """The model (fp16 on a GPU, fp32 on a CPU) and its transform from a PIL image to (3, size, size).

    `jit` is accepted for the sake of old callers: an archive's own program is never run, the model is built from its
    weights. `download_root` is the folder that models are kept in.
    """
    if jit:
        print("note: clip.load(jit=True) gives the ordinary model, built from the archive's weights")
    path = _download(_MODELS[name], download_root or _download.__defaults__[0])
    on_cpu = torch.device(device).type == "cpu"
    model = build_model(read_state_dict(path), half=not on_cpu).to(device)
    return model, _transform(model.visual.input_resolution)


def tokenize(texts: str | list[str], context_length: int = 77, truncate: bool = False) -> torch.Tensor:
    """Token ids (number of texts, context_length), zero after the end token.

    UserError names a text that is too long; with `truncate` it is cut and still ends in the end token.
    """
    texts = [texts] if isinstance(texts, str) else texts
    result = torch.zeros(len(texts), context_length, dtype=torch.long)
    for row, text in zip(result, texts, strict=True):
        tokens = [_tokenizer.sot_token_id, *_tokenizer.encode(text), _tokenizer.eot_token_id]
        if len(tokens) > context_length:
            if not truncate:
                raise UserError(
                    f'this text has {len(tokens)} tokens, and CLIP takes {context_length}: "{shorten(text, 80)}"'
                )
            tokens = [*tokens[: context_length - 1], _tokenizer.eot_token_id]
        row[: len(tokens)] = torch.tensor(tokens)
    return result


def _transform(n_px: int) -> Compose:
    return Compose(
        [
            Resize(n_px, interpolation=InterpolationMode.BICUBIC),
            CenterCrop(n_px),
            _to_rgb,
            ToTensor(),
            Normalize(_MEAN, _STD),
        ]
    )


def _to_rgb(image: Image.Image) -> Image.Image:
    return image.convert("RGB")
