"""Backbones by name, local path or Hugging Face id, through one function."""

from functools import lru_cache, partial
from pathlib import Path

import torch

from toolbox.errors import UserError, nearest
from vlm.backbone import Backbone, from_open_clip_model, openai_model
from vlm.loading import conch, hub, huggingface, openai, openclip, pmcclip, unimed
from vlm.loading.positions import resize
from vlm.loading.presets import find, presets
from vlm.loading.weights import SUFFIXES


def load(
    name: str, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32, image_size: int = 0
) -> Backbone:
    """The frozen backbone called `name`, on `device`, with weights in `dtype`; read once a process and shared.

    Args:
        name: a preset (`python -m vlm.list` prints them: small_clip, ViT-B/16, BiomedCLIP, ...); `open_clip:MODEL/TAG` or
            `open_clip:MODEL/FILE`; `hf-hub:ORG/REPO`; a folder in open_clip's or Hugging Face's CLIP format; or a
            checkpoint file with OpenAI's names (a TorchScript archive, a state dict, or safetensors).
        image_size: pixels a side, if not the backbone's own: its position embeddings are resized.

    Raises:
        UserError: no such backbone, prompts cannot enter it, or its weights are not here and cannot be fetched.
    """
    return _as(str(name), str(torch.device(device)), dtype, image_size)


@lru_cache(maxsize=2)
def _as(name: str, device: str, dtype: torch.dtype, image_size: int) -> Backbone:
    original = _read(name, image_size)
    if device == "cpu" and dtype == torch.float32:
        return original
    return original.copy_as(dtype, device)


@lru_cache(maxsize=1)
def _read(name: str, image_size: int) -> Backbone:
    preset = find(name)
    clip = _from_source(name, preset.source if preset else name)
    if preset:
        for key in ("image_size", "mean", "std"):
            says, is_ = getattr(preset, key), getattr(clip, key)
            if says != is_:
                raise UserError(
                    f"backbone {name}: its preset says {key} {says}, but its files say {is_}; mend one of them"
                )
        clip.templates = preset.templates
    if image_size and image_size != clip.image_size:
        resize(clip, image_size)
    return clip


def _from_source(name: str, source: str) -> Backbone:
    kind, _, rest = source.partition(":")
    if source == "small_clip":
        from vlm.small_clip import state_dict

        return from_open_clip_model(name, openai_model(state_dict()))
    if kind == "openai":
        return openai.from_name(name, rest)
    if kind == "open_clip":
        model, _, tag = rest.partition("/")
        return openclip.from_registry(name, model, tag)
    if kind == "hf-hub":
        return _from_hub(name, rest)
    if kind == "unimed-clip":
        return unimed.from_name(name, rest)
    if kind == "hf-file":
        return _from_hub_file(name, *rest.rsplit("/", 1))
    if kind == "conch":
        return conch.from_folder(name, Path(rest).expanduser())
    if kind == "pmc-clip":
        return pmcclip.from_folder(name, Path(rest).expanduser())
    path = Path(rest if kind == "local-dir" else source).expanduser()
    if path.is_dir():
        return _from_folder(name, path)
    if path.suffix in SUFFIXES or path.is_file():
        return openai.from_file(name, path)
    raise UserError(
        f"unknown backbone {name!r}; {nearest(name, presets())}; or open_clip:MODEL/TAG, hf-hub:ORG/REPO, or the path of a "
        "checkpoint file or folder"
    )


def _from_hub(name: str, repo: str) -> Backbone:
    config = hub.fetch(repo, openclip.CONFIG, huggingface.CONFIG)
    if config is None:
        raise UserError(f"backbone {name}: {repo} has neither {openclip.CONFIG} nor {huggingface.CONFIG}")
    family = openclip if config.name == openclip.CONFIG else huggingface
    return family.from_folder(name, config.parent, partial(hub.fetch, repo))


def _from_hub_file(name: str, repo: str, file: str) -> Backbone:
    path = hub.fetch(repo, file)
    if path is None:
        raise UserError(f"backbone {name}: {repo} has no {file}")
    return openai.from_file(name, path)


def _from_folder(name: str, folder: Path) -> Backbone:
    def fetch(*names: str) -> Path | None:
        return next((folder / file for file in names if (folder / file).is_file()), None)

    if fetch(openclip.CONFIG):
        return openclip.from_folder(name, folder, fetch)
    if fetch(conch.WORDS):
        return conch.from_folder(name, folder)
    if fetch(pmcclip.IMAGE):
        return pmcclip.from_folder(name, folder)
    if unimed_file := fetch(*unimed.FILES):
        return unimed.from_file(name, unimed_file, fetch)
    if fetch(huggingface.CONFIG):
        return huggingface.from_folder(name, folder, fetch)
    raise UserError(
        f"{folder} is no backbone: it has neither {openclip.CONFIG}, nor {huggingface.CONFIG} (Hugging Face's CLIP), nor "
        "PMC-CLIP's or UniMed-CLIP's files"
    )
