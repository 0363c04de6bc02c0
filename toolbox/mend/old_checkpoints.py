"""Reads the weights in checkpoints that stock Dassl wrote, without running what else is in them.

Such a file pickles its schedule (and with that the optimiser) as program objects, which `torch.load` refuses. Here their
classes are replaced by one that only takes up space. Names from anywhere else are refused, so nothing in the file can
call anything but the functions that put tensors together.
"""

import collections
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

_REAL = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "Counter"): collections.Counter,
    ("collections", "defaultdict"): collections.defaultdict,
    ("builtins", "dict"): dict,
    ("__builtin__", "dict"): dict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
}


def read_old_weights(path: str | Path, map_location: Any = None) -> dict[str, Any]:
    """{"state_dict", "epoch", "val_result", "weights_only": True} of a checkpoint by stock Dassl.

    Raises:
        pickle.UnpicklingError: the file holds objects other than a schedule and an optimiser, or no tensors.
    """
    checkpoint = torch.load(path, map_location=map_location, pickle_module=_PICKLE, weights_only=False)
    state = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise pickle.UnpicklingError("no state dict of tensors in it")
    result = checkpoint.get("val_result")
    return {
        "state_dict": state,
        "epoch": int(checkpoint["epoch"]),
        "val_result": result if isinstance(result, float) else None,
        "weights_only": True,
    }


def read_beside_scores(path: str | Path) -> Any:
    """What a file holds, on the CPU, with stand-ins for NumPy's numbers in it.

    Raises:
        pickle.UnpicklingError: the file holds objects of any other kind.
    """
    return torch.load(path, map_location="cpu", pickle_module=_SCORES, weights_only=False)


class _Ignored:
    """Stands where an object of the program was; takes any arguments and any state, and does nothing with them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _Unpickler(pickle._Unpickler):  # not the one in C: it makes a list as long as a place a file names
    ignored = ("torch.optim", "dassl.optim", "numpy", "_codecs")  # schedules, optimisers, and a score as a NumPy number

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _REAL:
            return _REAL[module, name]
        if any(module == known or module.startswith(f"{known}.") for known in self.ignored):
            return _Ignored
        raise pickle.UnpicklingError(f"it wants {module}.{name}")


class _ScoresUnpickler(_Unpickler):
    ignored = ("numpy", "_codecs")


def _pickle_module(unpickler: type[_Unpickler]) -> SimpleNamespace:
    """What torch.load asks of a pickle module."""
    return SimpleNamespace(
        __name__=__name__, Unpickler=unpickler, load=lambda file, **options: unpickler(file, **options).load()
    )


_PICKLE, _SCORES = _pickle_module(_Unpickler), _pickle_module(_ScoresUnpickler)
