"""Weights out of a TorchScript archive (OpenAI's `ViT-B-16.pt`) without running anything in it.

`torch.jit.load` compiles the archive's program and may call parts of it. Only the tensors are wanted, and they lie beside
the program: `<name>/data.pkl` is a pickle of nested modules whose tensors point at `<name>/data/<key>`, raw numbers. It is
read here by an unpickler that knows five harmless names and makes an empty record of every module; any other name stops it.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from toolbox.errors import UserError

_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class _Module:
    """Stands for any class of the archive's own program: keeps the attributes, does nothing."""

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if isinstance(state, dict) else {}


def _tensor(storage: Tensor, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)  # refuses what reaches beyond the storage


def _first(value: Any, *_: Any) -> Any:
    return value


class _Function:
    """A function that a pickle may call but not change: its BUILD instruction sets attributes of whatever it is given."""

    def __init__(self, function: Callable) -> None:
        self.call = function

    def __call__(self, *arguments: Any) -> Any:
        return self.call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it tries to change a function")


_KNOWN = {
    ("torch._utils", "_rebuild_tensor_v2"): _Function(_tensor),
    ("collections", "OrderedDict"): OrderedDict,
    ("torch.jit._pickle", "restore_type_tag"): _Function(_first),
    ("torch", "device"): str,
    **{("torch.jit._pickle", f"build_{kind}list"): _Function(_first) for kind in ("int", "double", "bool", "tensor")},
    **{("torch", name): dtype for name, dtype in _DTYPES.items()},
}


class _Reader(pickle._Unpickler):  # not the one in C: it makes a list as long as a place a file names
    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(archive.open(f"{folder}/data.pkl"))
        self.archive, self.folder = archive, folder
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == "__torch__":
            return _Module
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no archive of weights needs") from None

    def persistent_load(self, pid: tuple) -> Tensor:
        _, dtype, key, *_ = pid
        if key not in self.storages:
            member = self.archive.getinfo(f"{self.folder}/data/{key}")
            if member.compress_type != zipfile.ZIP_STORED:
                raise pickle.UnpicklingError(f"{member.filename} is compressed")
            raw = bytearray(self.archive.read(member))
            self.storages[key] = torch.frombuffer(raw, dtype=dtype) if raw else torch.empty(0, dtype=dtype)
        return self.storages[key]


def is_torchscript(path: str | Path) -> bool:
    """Whether the file is a zip archive with a program inside, which a plain `torch.save` file has not, nor a damaged one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/" in name or name.endswith("/constants.pkl") for name in archive.namelist())
    except Exception:  # zipfile fails in many ways, and whoever reads the file next says what is wrong with it
        return False


def read_torchscript(path: str | Path) -> dict[str, Tensor]:
    """All tensors of the archive's modules by dotted name, on the CPU, in the precision they were saved in.

    Beside parameters and buffers these are plain tensor attributes, which an archive does not tell from buffers.

    Raises:
        UserError: the file is damaged, or asks for something that is no tensor.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            folder = next(name for name in archive.namelist() if name.endswith("/data.pkl")).rpartition("/")[0]
            root = _Reader(archive, folder).load()
    except Exception as error:  # a damaged or hostile pickle can fail in any way
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(f"{path} cannot be read as a TorchScript archive of weights: {reason}") from error
    return dict(_tensors(root, ""))


def _tensors(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, _Module):
        for key, inner in value.attributes.items():
            yield from _tensors(inner, f"{name}.{key}" if name else str(key))
