"""Prompt-tuning methods as Dassl trainers: one file a method.

Importing the package registers all that lie here: they are imported when Dassl's registry is first looked into.
"""

import importlib
import pkgutil

import toolbox  # noqa: F401  finds or supplies dassl and clip
from toolbox.registries import fill_with

COMMANDS = {"list"}  # started by `python -m trainers.NAME`, which must not find them imported already


def _register() -> None:
    for module in pkgutil.iter_modules(__path__):
        if not module.ispkg and module.name not in COMMANDS:
            importlib.import_module(f"{__name__}.{module.name}")


fill_with("TRAINER", _register)
