"""The frozen CLIP with prompts put in. Imports neither trainers nor dassl."""

import importlib
from typing import Any

import toolbox  # noqa: F401  mends torchvision, which open_clip imports

__all__ = ["Backbone", "load"]

_ROOMS = {"Backbone": "vlm.backbone", "load": "vlm.loading.load"}


def __getattr__(name: str) -> Any:
    """`vlm.load` and `vlm.Backbone`, imported when asked for: the table of backbones needs no torch."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'vlm' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOMS[name]), name)
