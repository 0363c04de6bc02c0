"""Checkpoint files in Dassl's layout, written whole and read without running anything they contain.

`<folder>/model.pth.tar-N` is the state after N epochs, `<folder>/model-best.pth.tar` the best one on validation data,
and the text file `<folder>/checkpoint` names the file written last.
"""

import io
import shutil
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from toolbox.errors import UserError
from toolbox.files import atomic_path, atomic_text, atomic_write
from toolbox.mend.old_checkpoints import read_old_weights

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
    content = io.BytesIO()  # in memory: torch's own writer hides what is wrong with a disk
    torch.save(state, content)
    atomic_write(path, lambda part: part.write_bytes(content.getbuffer()))
    if is_best:
        with atomic_path(path.with_name(BEST)) as part:
            shutil.copyfile(path, part)
    atomic_text(path.with_name(POINTER), f"{path.name}\n")
    print(f"Checkpoint saved to {path}")


def load_checkpoint(fpath: str) -> dict[str, Any]:
    """Read a checkpoint as plain data; UserError names a file that is missing, damaged or would have to run code.

    Of a checkpoint that stock Dassl wrote, which holds program objects, only the weights are read.
    """
    path = Path(fpath)
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}")
    place = None if torch.cuda.is_available() else "cpu"
    try:
        check_sums(path)
        try:
            checkpoint = torch.load(path, map_location=place, weights_only=True)
        except UnpicklingError:
            checkpoint = read_old_weights(path, place)
    except UnpicklingError as error:
        raise UserError(f"{path} is no checkpoint that can be read without running code ({error})") from error
    except Exception as error:  # damage can make a reader fail in any way
        first_line = str(error).partition("\n")[0]
        raise UserError(f"the checkpoint {path} is damaged ({first_line}): take an earlier one") from error
    if not isinstance(checkpoint, dict):
        raise UserError(f"{path} is no checkpoint: it holds a {type(checkpoint).__name__}")
    return checkpoint


def check_sums(path: Path) -> None:
    """ValueError for a damaged archive: torch skips the check sums, and would take a flipped bit for a weight."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken:
            raise ValueError(f"wrong check sum of {broken}")


def resume_from_checkpoint(fdir: str, model: nn.Module, optimizer: Any = None, scheduler: Any = None) -> int:
    """Load the checkpoint named by `<fdir>/checkpoint` into what is given; returns the number of epochs it has seen."""
    path = Path(fdir) / pointed_file(Path(fdir))
    print(f'Loading checkpoint from "{path}"')
    checkpoint = load_checkpoint(str(path))
    put_back(checkpoint, model, optimizer, scheduler)
    print(f"Previous epoch: {checkpoint['epoch']}")
    return checkpoint["epoch"]


def pointed_file(folder: Path) -> str:
    """Name of the checkpoint in `folder` that was written last; UserError when the pointer is missing or damaged."""
    pointer = folder / POINTER
    if not pointer.is_file():
        raise UserError(f"no checkpoint to resume from: {pointer} is missing")
    name = pointer.read_text(encoding="utf-8", errors="replace").strip()
    if not name or name in (".", "..") or Path(name).name != name or "\0" in name:
        raise UserError(f"{pointer} does not name a checkpoint beside it: write the name of one into it, or delete it")
    return name


def put_back(checkpoint: dict[str, Any], model: nn.Module, optimizer: Any = None, scheduler: Any = None) -> None:
    """Load the states in `checkpoint` into a model and, where both exist, its optimiser and schedule."""
    if checkpoint.get("weights_only"):
        raise UserError("a checkpoint written by another Dassl has weights to load, but not what training goes on from")
    model.load_state_dict(checkpoint["state_dict"])
    if optimizer is not None and checkpoint.get("optimizer") is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    if scheduler is not None and checkpoint.get("scheduler") is not None:
        scheduler.load_state_dict(checkpoint["scheduler"])


def _without_module(key: str) -> str:
    return key.removeprefix("module.")
