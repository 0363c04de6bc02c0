"""Checkpoint files in Dassl's layout, written whole and read without running anything they contain.

`<folder>/model.pth.tar-N` is the state after N epochs, `<folder>/model-best.pth.tar` the best one on validation data,
and the text file `<folder>/checkpoint` names the file written last.
"""

import shutil
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from toolbox.errors import UserError
from toolbox.files import atomic_path, atomic_text

POINTER = "checkpoint"
BEST = "model-best.pth.tar"


def epoch_file(epoch: int) -> str:
    """Name of the checkpoint after `epoch` epochs."""
    return f"model.pth.tar-{epoch}"


def save_checkpoint(
    state: dict[str, Any],
    save_dir: str,
    is_best: bool = False,
    remove_module_from_keys: bool = True,
    model_name: str = "",
) -> None:
    """Write `state` (with keys "state_dict" and "epoch") into the folder `save_dir` and point `checkpoint` at it.

    `remove_module_from_keys` drops the prefix that DataParallel gives to names; `is_best` also keeps a copy under
    `model-best.pth.tar`; `model_name` replaces the default name `model.pth.tar-<epoch>`.
    """
    if remove_module_from_keys:
        state = {**state, "state_dict": {_without_module(key): value for key, value in state["state_dict"].items()}}
    path = Path(save_dir) / (model_name or epoch_file(state["epoch"]))
    with atomic_path(path) as part:
        torch.save(state, part)
    if is_best:
        with atomic_path(path.with_name(BEST)) as part:
            shutil.copyfile(path, part)
    atomic_text(path.with_name(POINTER), f"{path.name}\n")
    print(f"Checkpoint saved to {path}")


def load_checkpoint(fpath: str) -> dict[str, Any]:
    """Read a checkpoint as plain data; UserError names a file that is missing, damaged or would have to run code."""
    path = Path(fpath)
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}")
    place = None if torch.cuda.is_available() else "cpu"
    try:
        return torch.load(path, map_location=place, weights_only=True)
    except UnpicklingError as error:
        raise UserError(
            f"{path} is damaged or holds program objects beside numbers, which are not loaded: "
            "take another checkpoint, or train again"
        ) from error
    except (RuntimeError, OSError, EOFError, KeyError, ValueError) as error:
        first_line = str(error).partition("\n")[0]
        raise UserError(f"cannot read the checkpoint {path} ({first_line}): take an earlier one") from error


def resume_from_checkpoint(fdir: str, model: nn.Module, optimizer: Any = None, scheduler: Any = None) -> int:
    """Load the checkpoint named by `<fdir>/checkpoint` into what is given; returns the number of epochs it has seen."""
    pointer = Path(fdir) / POINTER
    if not pointer.is_file():
        raise UserError(f"no checkpoint to resume from: {pointer} is missing")
    path = pointer.with_name(pointer.read_text(encoding="utf-8").strip())
    print(f'Loading checkpoint from "{path}"')
    checkpoint = load_checkpoint(str(path))
    put_back(checkpoint, model, optimizer, scheduler)
    print(f"Previous epoch: {checkpoint['epoch']}")
    return checkpoint["epoch"]


def put_back(checkpoint: dict[str, Any], model: nn.Module, optimizer: Any = None, scheduler: Any = None) -> None:
    """Load the states in `checkpoint` into a model and, where both exist, its optimiser and schedule."""
    model.load_state_dict(checkpoint["state_dict"])
    if optimizer is not None and checkpoint.get("optimizer") is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    if scheduler is not None and checkpoint.get("scheduler") is not None:
        scheduler.load_state_dict(checkpoint["scheduler"])


def _without_module(key: str) -> str:
    return key.removeprefix("module.")
