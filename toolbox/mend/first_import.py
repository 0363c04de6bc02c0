"""Something to do when a package is first imported, and not before: a command's `--help` must not wait for torch."""

import sys
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType


def before_import(name: str, act: Callable[[], None]) -> None:
    """Call `act` before package `name` is first imported; at once where it is imported already.

    `act` may itself import the package, or another in its place: then this is what the importer gets.
    """
    if name in sys.modules:
        act()
    else:
        sys.meta_path.insert(0, _Once(name, act))


class _Once(MetaPathFinder):
    def __init__(self, name: str, act: Callable[[], None]) -> None:
        self.name, self.act = name, act

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != self.name or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        self.act()
        found = sys.modules.get(name)
        return None if found is None else _spec_of(found)


def _spec_of(module: ModuleType) -> ModuleSpec:
    loader = _Ready(module)
    spec = spec_from_loader(module.__name__, loader, is_package=hasattr(module, "__path__"))
    module.__spec__ = spec  # Python takes this one where the module is there already, and would load it a second time
    return spec


class _Ready(Loader):
    """Gives a module that is imported already, and leaves it as it is."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec
