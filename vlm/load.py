"""Backbones by name: the embedded small CLIP, OpenAI's models, any open_clip model, or a checkpoint file."""

from functools import lru_cache
from pathlib import Path

import open_clip
import torch
from torch import Tensor

from toolbox.errors import UserError, nearest
from vlm.backbone import Backbone, from_open_clip_model, openai_model


@lru_cache(maxsize=2)
def load(name: str, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Backbone:
    """The frozen backbone called `name`, on `device`, with weights in `dtype`; loaded once a process and shared.

    Args:
        name: `small_clip`; an OpenAI name (`RN50`, `ViT-B/16`, ...); `open_clip:MODEL/TAG`; `hf-hub:ORG/REPO`; or the
            path of an OpenAI-format checkpoint (a TorchScript archive, a state dict, or safetensors).

    Raises:
        UserError: no such backbone, or its weights are not here and cannot be fetched.
    """
    backbone = _build(name)
    _ = backbone.weights_hash  # of the weights as loaded, so before they are cast
    return backbone.cast(dtype).to(device)


def _build(name: str) -> Backbone:
    if name == "small_clip":
        from vlm.small_clip import state_dict

        return from_open_clip_model(name, openai_model(state_dict()))
    if name.startswith(("open_clip:", "hf-hub:", "local-dir:")):
        return _from_open_clip(name)
    if Path(name).suffix in (".pt", ".pth", ".bin", ".safetensors") or Path(name).is_file():
        return from_open_clip_model(name, openai_model(read_checkpoint(Path(name))))
    from clip import clip

    if name in clip._MODELS:
        return from_open_clip_model(name, openai_model(read_checkpoint(Path(clip._download(clip._MODELS[name])))))
    known = ["small_clip", *clip._MODELS]
    raise UserError(
        f"unknown backbone {name!r}; {nearest(name, known)}; or open_clip:MODEL/TAG, hf-hub:ORG/REPO, or a checkpoint file"
    )


def _from_open_clip(name: str) -> Backbone:
    kind, _, rest = name.partition(":")
    model, _, tag = (rest, "", "") if kind != "open_clip" else rest.partition("/")
    if kind == "open_clip" and (model not in open_clip.list_models() or not tag):
        known = nearest(model, open_clip.list_models())
        raise UserError(f"backbone {name!r}: write open_clip:MODEL/TAG with a model open_clip knows; {known}")
    full = model if kind == "open_clip" else name
    try:
        net = open_clip.create_model(full, pretrained=tag or None, require_pretrained=True)
    except (RuntimeError, OSError, ValueError) as error:
        raise UserError(f"backbone {name!r} could not be loaded: {str(error).splitlines()[0]}") from error
    cfg = net.visual.preprocess_cfg if hasattr(net.visual, "preprocess_cfg") else {}
    tokenizer = open_clip.get_tokenizer(full)
    return from_open_clip_model(name, net, tokenizer, cfg.get("mean"), cfg.get("std"))


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The state dict in an OpenAI-format file.

    Raises:
        UserError: the file is missing, or holds something else.
    """
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = _read_torch(path)
    except Exception as error:
        raise UserError(f"{path} cannot be read as a checkpoint: {str(error).splitlines()[0]}") from error
    state = state.get("state_dict", state)
    if "text_projection" not in state or "token_embedding.weight" not in state:
        raise UserError(
            f"{path} is no CLIP checkpoint in OpenAI's format: it has no text_projection and token_embedding"
        )
    return state


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        return torch.jit.load(path, map_location="cpu").state_dict()
