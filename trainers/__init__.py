"""Prompt-tuning methods as Dassl trainers: one file a method. Importing the package registers all that lie here."""

import importlib
import pkgutil

import toolbox  # noqa: F401  finds or supplies dassl and clip

COMMANDS = {"list"}  # started by `python -m trainers.NAME`, which must not find them imported already

for _module in pkgutil.iter_modules(__path__):
    if not _module.ispkg and _module.name not in COMMANDS:
        importlib.import_module(f"{__name__}.{_module.name}")
