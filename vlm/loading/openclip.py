"""Backbones in open_clip's format: one of its models with a tag, or a folder with `open_clip_config.json` and weights."""

from collections.abc import Callable
from pathlib import Path

import open_clip
import torch
from open_clip.model import _build_text_tower, _build_vision_tower
from torch import Tensor, nn

from toolbox.errors import UserError, nearest
from toolbox.plain import parse_json
from vlm.backbone import CLIP_MEAN, CLIP_STD, Backbone
from vlm.loading import hub
from vlm.loading.hub_text import hub_tower
from vlm.loading.hub_words import hub_words
from vlm.loading.weights import fill, read_weights
from vlm.towers.build import check_text, clip_vocabulary, image_tower, pool_type, sees_padding, text_tower
from vlm.towers.tokens import Vocabulary

CONFIG = "open_clip_config.json"
WEIGHTS = (  # in the order of preference
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
)


def from_registry(name: str, model: str, tag: str) -> Backbone:
    """One of open_clip's models; `tag` is one of its pretrained tags or the path of a checkpoint of that architecture.

    Raises:
        UserError: unknown model or tag, a model prompts cannot enter, or weights that cannot be fetched.
    """
    if model not in open_clip.list_models():
        raise UserError(
            f"backbone {name!r}: open_clip has no model {model!r}; {nearest(model, open_clip.list_models())}"
        )
    cfg, known = open_clip.get_model_config(model), open_clip.pretrained.get_pretrained_cfg(model, tag)
    if not known and not Path(tag).is_file():
        tags = open_clip.list_pretrained_tags_by_model(model)
        raise UserError(f"backbone {name!r}: {model} has no weights {tag!r}, nor is it a file; {nearest(tag, tags)}")
    # open_clip only warns when weights that were trained with QuickGELU meet an architecture without it.
    cfg["quick_gelu"] = bool(cfg.get("quick_gelu") or known.get("quick_gelu"))

    return build(name, cfg, known, lambda: read_weights(_fetched(name, known) if known else Path(tag)))


def _fetched(name: str, known: dict) -> Path:
    """The weights of one of open_clip's tags, from the Hugging Face hub or from their authors."""
    repo, _, file = known.get("hf_hub", "").rpartition("/")
    if repo:
        path = hub.fetch(repo, *_names(file))
        if path is None:
            raise UserError(f"backbone {name}: {repo} has no weights under a name that open_clip uses")
        return path
    try:
        return Path(open_clip.pretrained.download_pretrained_from_url(known["url"]))  # with a bar, and its hash checked
    except Exception as error:  # whatever way the connection fails
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(
            f"backbone {name}: its weights are not on this machine and cannot be fetched ({reason}): fetch {known['url']} "
            "where there is a connection, bring it here and give open_clip:MODEL/PATH"
        ) from error


def cached(model: str, tag: str) -> Path | None:
    """The weights of one of open_clip's tags, if they are on this machine."""
    known = open_clip.pretrained.get_pretrained_cfg(model, tag)
    repo, _, file = known.get("hf_hub", "").rpartition("/")
    if repo:
        return hub.cached(repo, *_names(file))
    path = Path("~/.cache/clip").expanduser() / known["url"].rpartition("/")[2]  # open_clip's own cache
    return path if path.is_file() else None


def _names(file: str) -> tuple[str, ...]:
    """Names under which a repository may have the weights that open_clip calls `file`, or gives no name."""
    return (f"{Path(file).stem}.safetensors", file) if file else WEIGHTS


def from_folder(name: str, folder: Path, fetch: Callable[..., Path | None]) -> Backbone:
    """A folder in the form in which open_clip publishes models.

    Args:
        fetch: gives the first of some file names that the model's source has, or None.

    Raises:
        UserError: a file is missing or not what it should be, or prompts cannot enter the model.
    """
    config = read_json(folder / CONFIG)
    model = config.get("model_cfg")
    if not isinstance(model, dict) or not all(isinstance(model.get(key), dict) for key in ("vision_cfg", "text_cfg")):
        model = {}
    if "embed_dim" not in model:
        raise UserError(f"{folder / CONFIG} has no model_cfg with embed_dim, vision_cfg and text_cfg")

    def weights() -> dict[str, Tensor]:
        path = fetch(*WEIGHTS)
        if path is None:
            raise UserError(
                f"backbone {name}: no weights beside {folder / CONFIG}; expected one of {', '.join(WEIGHTS)}"
            )
        return read_weights(path)

    return build(name, model, config.get("preprocess_cfg") or {}, weights, fetch)


def build(
    name: str,
    cfg: dict,
    preprocess: dict,
    weights: Callable[[], dict[str, Tensor]],
    fetch: Callable[..., Path | None] | None = None,
) -> Backbone:
    """The backbone of an open_clip model configuration; weights are asked for only once the architecture is known to fit.

    Raises:
        UserError: prompts cannot enter the model, or the weights are another architecture's.
    """
    visual, text = _skeletons(name, cfg)
    if text is not None:
        check_text(name, text)
    state = weights()
    if "logit_scale" not in state or state["logit_scale"].numel() != 1:
        raise UserError(f"backbone {name}: the checkpoint has no number logit_scale; it is not of a CLIP")
    image_state, text_state = _split(state)
    image = image_tower(fill(_with_buffers(cfg, visual), image_state, f"backbone {name}, image tower"))
    if text is None:
        tower = hub_tower(name, cfg["text_cfg"], cfg["embed_dim"], text_state, fetch)
    else:
        text = fill(text, text_state, f"backbone {name}, text tower")
        tower = text_tower(text, _vocabulary(name, cfg["text_cfg"], text, fetch))
    size = cfg["vision_cfg"].get("image_size", 224)
    mean, std = preprocess.get("mean") or CLIP_MEAN, preprocess.get("std") or CLIP_STD
    bias = state.get("logit_bias")
    return Backbone(
        name, image, tower, state["logit_scale"], size if isinstance(size, int) else size[0], mean, std, logit_bias=bias
    )


def _skeletons(name: str, cfg: dict) -> tuple[nn.Module, nn.Module | None]:
    """Both towers without memory; None for a text tower that is not open_clip's own."""
    quick = cfg.get("quick_gelu", False)
    try:
        with torch.device("meta"):
            visual = _vision_tower(cfg)
            text = (
                None
                if cfg["text_cfg"].get("hf_model_name")
                else _build_text_tower(cfg["embed_dim"], cfg["text_cfg"], quick)
            )
    except (TypeError, RuntimeError, AssertionError, ValueError) as error:
        raise UserError(f"backbone {name}: open_clip cannot build it ({str(error).partition(chr(10))[0]})") from error
    return visual, text


def _vision_tower(cfg: dict) -> nn.Module:
    vision = {**cfg["vision_cfg"], "timm_model_pretrained": False}
    return _build_vision_tower(cfg["embed_dim"], vision, cfg.get("quick_gelu", False))


def _with_buffers(cfg: dict, visual: nn.Module) -> nn.Module:
    """The image tower itself, or made anew with memory where it keeps tables that no checkpoint holds (EVA's rotations)."""
    saved = visual.state_dict()
    made = any(name not in saved for name, _ in visual.named_buffers())
    return _vision_tower(cfg) if made else visual


def _vocabulary(name: str, text_cfg: dict, text: nn.Module, fetch: Callable[..., Path | None] | None) -> Vocabulary:
    source = text_cfg.get("hf_tokenizer_name")
    if not source:
        return clip_vocabulary(text)
    vocabulary = hub_words(name, source, text.context_length, text_cfg.get("tokenizer_kwargs") or {}, fetch)
    if not sees_padding(text):
        vocabulary.fill = None
    if pool_type(text) == "argmax" or (pool_type(text) == "eos" and vocabulary.end != text.eos_id):
        raise UserError(
            f"backbone {name}: the tokeniser at {source!r} does not end texts with the token that its tower reads"
        )
    return vocabulary


def _split(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights of the image tower and of the text tower, each without its prefix."""
    image = {key.removeprefix("visual."): v for key, v in state.items() if key.startswith("visual.")}
    others = ("visual.", "logit_", "text_decoder.")  # the last writes CoCa's captions, which are not asked for
    rest = {key: v for key, v in state.items() if not key.startswith(others)}
    return image, {key.removeprefix("text.").removeprefix("text_encoder."): v for key, v in rest.items()}


def read_json(path: Path) -> dict:
    """A JSON object from a file; UserError if it is none."""
    try:
        value = parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no JSON object")
    return value
