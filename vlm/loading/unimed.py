"""UniMed-CLIP (Khattak et al., 2024): a CLIP ViT with QuickGELU and a BiomedBERT read as BiomedCLIP's, 256 positions.

It is published as checkpoints of a modified open_clip, without a configuration; the text tower is called `text_encoder` there.
"""

from collections.abc import Callable
from pathlib import Path

import open_clip

from toolbox.errors import UserError
from vlm.backbone import Backbone
from vlm.loading import hub
from vlm.loading.openclip import build
from vlm.loading.weights import read_weights

MODELS = {  # open_clip's name of the image tower's architecture, repository, file
    "ViT-B/16": ("ViT-B-16-quickgelu", "UzairK/unimed-clip-vit-b16", "unimed-clip-vit-b16.pt"),
    "ViT-L/14@336px": (
        "ViT-L-14-336-quickgelu",
        "UzairK/unimed_clip_vit_l14_base_text_encoder",
        "unimed_clip_vit_l14_base_text_encoder.pt",
    ),
}
FILES = tuple(file for *_, file in MODELS.values())
TEXT = {
    "hf_model_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
    "hf_proj_type": "mlp",
    "hf_pooler_type": "cls_last_hidden_state_pooler",
    "context_length": 256,
}


def from_name(name: str, model: str) -> Backbone:
    """One of `MODELS`, its checkpoint from the Hugging Face hub.

    Raises:
        UserError: it is not here and cannot be fetched, or not the published file.
    """
    _, repo, file = MODELS[model]
    path = hub.fetch(repo, file)
    if path is None:
        raise UserError(f"backbone {name}: {repo} has no {file}")
    return from_file(name, path, lambda *names: None)


def from_file(name: str, path: Path, fetch: Callable[..., Path | None]) -> Backbone:
    """A checkpoint under its published file name, which tells the architecture.

    Args:
        fetch: gives the first of some file names that lie beside it, or None; the tokeniser may.

    Raises:
        UserError: the file is damaged or holds another model.
    """
    architecture = next(a for a, _, file in MODELS.values() if file == path.name)
    cfg = {**open_clip.get_model_config(architecture), "text_cfg": TEXT}
    return build(name, cfg, {}, lambda: read_weights(path), fetch)
