"""OpenAI's own archives, by name or as files: fetched with a bar, checked by their published SHA-256, read without running."""

from pathlib import Path

from toolbox.errors import UserError
from vlm.backbone import Backbone, from_open_clip_model, openai_model
from vlm.loading.weights import read_weights

CACHE = Path("~/.cache/clip").expanduser()


def archive(model: str) -> tuple[str, Path]:
    """Address of the model's archive and the place where it is kept; UserError for a name OpenAI does not have."""
    from toolbox.clip.archives import MODELS  # here, for its package reads its vocabulary when imported

    if model not in MODELS:
        raise UserError(f"OpenAI has no CLIP {model!r}; it has {', '.join(MODELS)}")
    address = MODELS[model]
    return address, CACHE / address.rpartition("/")[2]


def from_name(name: str, model: str) -> Backbone:
    """The model that OpenAI calls `model`: RN50, ..., ViT-B/16, ViT-L/14@336px.

    The `clip` package of a checkout is not asked: it may be an old one that lacks the larger models.

    Raises:
        UserError: its archive is not here and cannot be fetched, or is not the published one.
    """
    from toolbox.clip.archives import download

    address, path = archive(model)
    try:
        download(address, path.parent)
    except UserError as error:
        raise UserError(f"backbone {name}: {error}") from error
    return from_file(name, path)


def from_file(name: str, path: Path) -> Backbone:
    """A checkpoint with OpenAI's names, its sizes read off the tensors.

    Raises:
        UserError: the file is missing or damaged, or its weights are no CLIP's under those names.
    """
    try:
        return from_open_clip_model(name, openai_model(read_weights(path)))
    except UserError as error:
        raise UserError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from error
