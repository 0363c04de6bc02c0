"""The door of the project: one command (`cilmp`, or `python -m cilmp`), thin over the rooms behind it."""

import importlib
from pathlib import Path
from typing import Any

from cilmp.rooms import open_rooms

open_rooms(Path(__file__).resolve().parent)

from toolbox.version import VERSION as __version__  # noqa: E402  the rooms must be open

__all__ = ["__version__", "compare", "fit", "load", "open"]

_INTERFACE = {
    "fit": ("cilmp.fitting", "fit"),
    "open": ("cilmp.run", "open_run"),
    "compare": ("cilmp.comparing", "compare"),
    "load": ("cilmp.loading", "load"),
}


def __getattr__(name: str) -> Any:
    """The Python interface, imported when asked for: the command's help does not wait for it."""
    if name not in _INTERFACE:
        raise AttributeError(f"module 'cilmp' has no attribute {name!r}")
    module, function = _INTERFACE[name]
    return getattr(importlib.import_module(module), function)
