"""Makes PyPI's torchvision importable beside a CPU-only torch.

PyPI's wheel is linked against CUDA. Beside a CPU torch its library cannot be loaded, so the operators it would have
brought do not exist, and `import torchvision` fails where it describes the shapes of two of them. Declaring the two
schemas is enough: image transforms use neither operator.
"""

import importlib.util
from pathlib import Path

import torch

_OPERATORS = ("nms", "qnms")
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def mend_torchvision() -> bool:
    """Declare `torchvision::nms` and `::qnms` where torchvision's own library cannot; says whether that was needed."""
    if _library_loads():
        return False
    missing = [name for name in _OPERATORS if not hasattr(torch.ops.torchvision, name)]
    for name in missing:
        torch.library.define(f"torchvision::{name}", _SCHEMA)
    return bool(missing)


def _library_loads() -> bool:
    found = importlib.util.find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        return True  # there is nothing to mend: whoever imports it gets the ordinary ImportError
    libraries = [file for folder in found.submodule_search_locations for file in Path(folder).glob("_C*")]
    try:
        for library in libraries:
            torch.ops.load_library(str(library))
    except OSError:
        return False
    return bool(libraries)
