"""Files that try to run something when they are read."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch


class Trap:
    """An object whose pickle makes a folder where it is loaded; `sprung` tells whether that happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.folder),)

    @property
    def sprung(self) -> bool:
        return self.folder.exists()


def torch_file(path: Path, value: Any, old_format: bool = False) -> Path:
    """`torch.save`, which pickles whatever it is given."""
    torch.save(value, path, _use_new_zipfile_serialization=not old_format)
    return path


def object_array(path: Path, trap: Trap, name: str, **arrays: np.ndarray) -> Path:
    """An .npz in which the array `name` holds the trap."""
    np.savez(path, **arrays, **{name: np.array([trap], dtype=object)})
    return path


def torchscript(path: Path, trap: Trap) -> Path:
    """A file that looks like a TorchScript archive of weights, whose data.pkl is the trap's."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("clip/data.pkl", pickle.dumps(trap))
        archive.writestr("clip/constants.pkl", pickle.dumps(()))
        archive.writestr("clip/code/__torch__.py", "")
        archive.writestr("clip/version", "3\n")
    return path
