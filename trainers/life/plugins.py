"""Trainers and data sets of others: Python files named on the command line, and installed packages."""

import importlib.util
import sys
from importlib.metadata import entry_points
from pathlib import Path

from toolbox.errors import UserError
from toolbox.registries import fill


def load_plugins(files: list[str]) -> None:
    """Import files that register trainers, and installed packages with an entry point in `cilmp.plugins`.

    Raises:
        UserError: no such file, or it fails to import.
    """
    fill("TRAINER")  # first: a name that a plugin takes as well is then told of there
    for entry in entry_points(group="cilmp.plugins"):
        entry.load()
    for file in map(Path, files):
        name = f"plugin_{file.stem}"
        if name in sys.modules:
            continue
        if not file.is_file():
            raise UserError(f"no plugin at {file}")
        spec = importlib.util.spec_from_file_location(name, file)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise UserError(f"plugin {file} fails to import: {type(error).__name__}: {error}") from error
