"""Checkpoints of what was trained: written beside Dassl's, read from our runs or from the reference programs'."""

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from toolbox.checkpoints import load_checkpoint, pointed_file
from toolbox.errors import UserError
from toolbox.files import atomic_write
from toolbox.plain import parse_json
from toolbox.seals import KEY, check_seal, digest, seal
from trainers.life.run import Run


def describe(trainer: Run) -> dict[str, str]:
    """What a checkpoint must agree on with the model it is loaded into; kept in the safetensors header."""
    clip = trainer.model.clip
    return {
        "method": type(trainer).__name__,
        "backbone": clip.name,
        "backbone_hash": clip.weights_hash,
        "classnames": json.dumps(trainer.dm.dataset.classnames),
        "options": json.dumps(dict(trainer.options), default=str),
        **trainer.model.about(),
    }


def save_trained(trainer: Run, epoch: int, folder: Path, is_best: bool) -> None:
    """Write `model-<epoch>.safetensors` (and `model-best.safetensors`): the trained tensors, nothing of the frozen CLIP."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in trainer.model.state_dict().items()}
    meta = seal({**describe(trainer), "epoch": str(epoch)}, tensors)
    content = save(tensors, metadata=meta)  # in memory: safetensors' own writer hides what is wrong with a disk
    for name in [f"model-{epoch}"] + ["model-best"] * is_best:
        atomic_write(folder / f"{name}.safetensors", lambda part: part.write_bytes(content))


def keep_for_resume(trainer: Run) -> None:
    """Make sure the epoch that just ended can be resumed from, and drop the one that was kept only for that."""
    folder, epoch = Path(trainer.output_dir) / trainer.folder, trainer.epoch + 1
    if trainer.resumable_epoch != epoch:  # a file of that name may be there, but the pointer is of an earlier one
        trainer.save_model(trainer.epoch, trainer.output_dir)
    frequency = trainer.cfg.TRAIN.CHECKPOINT_FREQ
    wanted = {trainer.max_epoch, epoch}
    for file in folder.glob("model*"):
        match = re.fullmatch(r"model(?:\.pth\.tar-|-)(\d+)(?:\.safetensors)?", file.name)
        if match and int(match[1]) not in wanted and not (frequency > 0 and int(match[1]) % frequency == 0):
            file.unlink()


def load_trained(trainer: Run, directory: Path, epoch: int | None) -> None:
    """Load the trained parameters saved under `directory` after `epoch` epochs (None: the best, else the last).

    Raises:
        UserError: no such checkpoint, or it does not fit; every difference is named.
    """
    folder = _folder(directory, trainer.folder)
    path = file_in(folder, epoch)
    state, meta = _read(path)
    _check_finite(state, path)
    _check_classes(trainer, meta, path)
    trainer.model.make_room(state)
    own = trainer.model.state_dict()
    if "method" not in meta and set(state) != set(own):
        state = from_reference(trainer, state, path)
    differences = _differences(own, state, meta, describe(trainer))
    if differences:
        raise UserError(f"{path} does not fit this model: " + "; ".join(differences))
    trainer.model.load_state_dict(state)
    print(f"Load {path} to {trainer.folder} (epoch={meta.get('epoch', '?')})")


def file_digest(directory: Path, folder: str, epoch: int | None) -> str:
    """SHA-256 of the tensors that `load_trained` would load; "" where there is no checkpoint."""
    try:
        path = file_in(_folder(directory, folder), epoch)
    except UserError:
        return ""
    return digest({}, _read(path)[0])


def from_reference(trainer: Run, state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Our state dict from one in the reference program's names (its frozen CLIP, if inside, is left out)."""
    own = {name: torch.zeros_like(value) for name, value in trainer.model.state_dict().items()}
    by_parameter = {id(p): name for name, p in trainer.model.named_parameters()}
    # CoOp's own family saves the prompt learner alone, the others the whole model.
    state = {f"prompt_learner.{name}": value for name, value in state.items()} | state
    names = list(trainer.model.reference_parameters())
    missing = [name for name, *_ in names if name not in state]
    if not names or missing:
        lacks = f"; it lacks {missing[0]} and {len(missing) - 1} more" if names else ""
        raise UserError(
            f"{path} holds no checkpoint of {type(trainer).__name__}, ours or the reference program's{lacks}"
        )
    trained = {by_parameter[id(parameter)] for _, parameter, _ in names}
    if beyond := sorted(set(own) - trained):
        raise UserError(f"{path} is of the reference program, which knows no {beyond[0]}: choose options without it")
    for name, parameter, index in names:
        place = own[by_parameter[id(parameter)]]
        place = place if index is None else place[index]
        if place.numel() != state[name].numel():
            raise UserError(
                f"{path}: {name} has shape {tuple(state[name].shape)}, this model needs {tuple(place.shape)}"
            )
        place.copy_(state[name].reshape(place.shape))
    return own


def _folder(directory: Path, name: str) -> Path:
    if (directory / name).is_dir():
        return directory / name
    raise UserError(
        f"no checkpoints at {directory / name}; --model-dir is the output folder of a finished training run"
    )


def file_in(folder: Path, epoch: int | None = None) -> Path:
    """The checkpoint in a method's folder that is loaded: of this epoch; without one the best, else the last."""
    if epoch is not None:
        candidates = [f"model-{epoch}.safetensors", f"model.pth.tar-{epoch}"]
    else:
        candidates = ["model-best.safetensors", "model-best.pth.tar"]
        pointer = folder / "checkpoint"
        if pointer.is_file():
            last = pointed_file(folder)
            candidates += [f"{last.replace('.pth.tar', '')}.safetensors", last]
    for name in candidates:
        if (folder / name).is_file():
            return folder / name
    numbers = (f.name.rpartition("-")[2] for f in folder.glob("model.pth.tar-*"))
    there = sorted(int(number) for number in numbers if re.fullmatch(r"[0-9]{1,9}", number))
    raise UserError(f"no {candidates[0]} in {folder}; epochs there: {', '.join(map(str, there)) or 'none'}")


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                state, meta = {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
        except (SafetensorError, OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{path} cannot be read: {error}; it is damaged, delete it or load another epoch"
            ) from error
        if KEY not in meta:
            raise UserError(f"{path} has no {KEY} in its header, and was not written by this project, or is damaged")
        check_seal(meta, path, "delete it or load another epoch", state)
        return state, meta
    loaded: dict[str, Any] = load_checkpoint(str(path))
    state = loaded.get("state_dict")
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise UserError(f"{path} holds no tensors by name under state_dict; load another epoch")
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    return state, {"epoch": str(loaded.get("epoch", "?"))}


def _check_finite(state: dict[str, Tensor], path: Path) -> None:
    spoilt = [name for name, value in state.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if spoilt:
        raise UserError(f"{path}: {spoilt[0]} holds NaN or infinite numbers, which predict nothing; load another epoch")


def _check_classes(trainer: Run, meta: dict[str, str], path: Path) -> None:
    ours = trainer.dm.dataset.classnames
    try:
        theirs = parse_json(meta.get("classnames", "null"))
    except ValueError:
        theirs = 0
    if theirs is not None and not (isinstance(theirs, list) and all(isinstance(name, str) for name in theirs)):
        raise UserError(f"{path}: its header names no classes; it is damaged, delete it or load another epoch")
    if trainer.model.for_classes and theirs is not None and theirs != ours:
        raise UserError(
            f"{path} was made for the classes {', '.join(theirs)} and says nothing about others ({', '.join(ours)}): "
            f"what {type(trainer).__name__} learns in this configuration belongs to its classes"
        )


def _differences(own: dict, state: dict, meta: dict, here: dict) -> list[str]:
    found = []
    for key, what in (("method", "it was trained with {}, this is {}"), ("backbone_hash", None)):
        if key in meta and meta[key] != here[key]:
            if what is None:
                what = "it was trained on backbone {} with other weights than this one, {}"
                found.append(what.format(meta.get("backbone", "?"), here["backbone"]))
            else:
                found.append(what.format(meta[key], here[key]))
    for name in sorted(own.keys() | state.keys()):
        if name not in state:
            found.append(f"it lacks {name}")
        elif name not in own:
            found.append(f"{name} is not part of this model")
        elif own[name].shape != state[name].shape:
            found.append(f"{name} has shape {tuple(state[name].shape)} there and {tuple(own[name].shape)} here")
    return found
