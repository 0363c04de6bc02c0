"""Trainers and data sets of others: files and folders named on the command line, and installed packages.

A file of the CoOp family is taken as it is: `--plugin MMA/trainers/mmadapter.py`. Its relative imports work, absolute ones
find what lies at the root of its checkout, and its name may be one that a method here has.
"""

import hashlib
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from toolbox.errors import UserError
from trainers.life import checkout

PREFIX = "plugin_"
"""Names of packages that plugins are imported under begin so."""


@dataclass(frozen=True)
class Plugin:
    """One loaded file or folder.

    Attributes:
        path: as found.
        modules: what was imported from it.
        names: the trainers it registered, by the names that the registry has now.
    """

    path: Path
    modules: tuple[ModuleType, ...]
    names: tuple[str, ...]


_loaded: dict[str, Plugin] = {}
_registered: dict[str, dict[str, Any]] = {}
"""What each module registered when it was imported, which is once, by its names there."""
_configs: list[Path] = []


def load_plugins(words: list[str], configs: list[str] | None = None) -> None:
    """Import files and folders that register trainers, and installed packages with an entry point in `cilmp.plugins`.

    Args:
        words: PATH, or PATH:NAME for what its trainer is to be called here.
        configs: files with their configuration keys; see `trainers.life.checkout.keys_in`.

    Raises:
        UserError: no such file, it fails to import, or it has not one trainer to be called NAME.
    """
    for entry in entry_points(group="cilmp.plugins"):
        entry.load()
    for word in words:
        if word not in _loaded:
            path, name = split(word)
            _loaded[word] = _load(path, name)
    for file in map(Path, configs or []):
        if not file.is_file():
            raise UserError(f"no configuration of a plugin at {file}")
        if file not in _configs:
            _configs.append(file)


def split(word: str) -> tuple[Path, str]:
    """Path and name of PATH[:NAME]. Raises UserError where nothing is at PATH."""
    found = divided(word)
    if found is None:
        raise UserError(f"no plugin at {word}")
    return found


def divided(word: str) -> tuple[Path, str] | None:
    """The same; None where nothing is at PATH."""
    if Path(word).exists():
        return Path(word), ""
    path, colon, name = word.rpartition(":")
    return (Path(path), name) if colon and Path(path).exists() else None


def knows(trainer: str) -> bool:
    """Whether a plugin registered a trainer of this name."""
    return any(trainer in plugin.names for plugin in _loaded.values())


def knows_other(trainer: str, method: type) -> bool:
    """Whether a plugin's trainer of this name stands in the place of `method`."""
    from dassl.engine import TRAINER_REGISTRY

    return knows(trainer) and TRAINER_REGISTRY.get(trainer) is not method


def extend_cfg(cfg: Any, trainer: str) -> None:
    """Add the configuration keys of plugins: those named by `--plugin-config`, and of the trainer's own.

    The latter are those of its `extend_cfg(cfg)`, else of the one in its checkout's train.py; they stand in the place of
    sections of the same names, which methods here have too.
    """
    for plugin in _loaded.values():
        own = [module.extend_cfg for module in plugin.modules if hasattr(module, "extend_cfg")]
        theirs = trainer in plugin.names and checkout.keys_of(plugin.path)
        for extend in own or ([theirs] if theirs else []):
            extend(cfg)
    for file in _configs:
        checkout.keys_in(file)(cfg)


def _load(path: Path, name: str) -> Plugin:
    folder = (path if path.is_dir() else path.parent).resolve()
    files = sorted(folder.glob("*.py")) if path.is_dir() else [path.resolve()]
    package = _package(folder)
    registered: dict[str, Any] = {}
    try:
        with _registering("dassl.engine", "TRAINER_REGISTRY", registered), checkout.at_home(checkout.root_of(folder)):
            modules = tuple(importlib.import_module(f"{package}.{f.stem}") for f in files if f.stem != "__init__")
    except Exception as error:
        for key in [key for key in sys.modules if key.partition(".")[0] == package]:
            del sys.modules[key]
        raise UserError(f"plugin {path} fails to import: {type(error).__name__}: {error}") from error
    checkout.adapt(sys.modules[key] for key in list(sys.modules) if key.startswith(f"{package}."))
    for key, value in registered.items():
        _registered.setdefault(value.__module__, {})[key] = value
    mine = {key: value for module in modules for key, value in _registered.get(module.__name__, {}).items()}
    return Plugin(path, modules, _enter(path, mine, name))


def _package(folder: Path) -> str:
    """A package that stands for the folder; an __init__.py there, which would import all its methods, is not run."""
    name = f"{PREFIX}{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return name


class _Open(dict):
    """A registry's table in which no name is taken."""

    def __contains__(self, key: object) -> bool:
        return False


@contextmanager
def _registering(module: str, registry: str, registered: dict[str, Any]) -> Iterator[None]:
    """Inside, what enters the registry goes into `registered` instead."""
    table = getattr(importlib.import_module(module), registry)
    table.registered_names()  # methods here enter it when it is first looked into
    attribute = "_objects" if hasattr(table, "_objects") else "_obj_map"  # the bundled Dassl's, stock Dassl's
    before = getattr(table, attribute)
    setattr(table, attribute, _Open())
    try:
        yield
    finally:
        registered.update(getattr(table, attribute))
        setattr(table, attribute, before)


def _enter(path: Path, trainers: dict[str, Any], name: str) -> tuple[str, ...]:
    """Put trainers into Dassl's registry, the only one of them as `name` where one is given; names as they are now."""
    from dassl.engine import TRAINER_REGISTRY

    if name and name not in trainers:
        if len(trainers) != 1:
            raise UserError(
                f"plugin {path} registers {', '.join(trainers) or 'no trainer'}: none of them can be called {name}"
            )
        trainers = {name: next(iter(trainers.values()))}
    table = TRAINER_REGISTRY._objects if hasattr(TRAINER_REGISTRY, "_objects") else TRAINER_REGISTRY._obj_map
    for key, trainer in trainers.items():
        if key in table:
            print(f"{key} is that of {path} here, not of {table[key].__module__} (another name: --plugin {path}:NAME)")
        table[key] = trainer
    return tuple(trainers)
