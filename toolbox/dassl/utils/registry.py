"""Names for classes and functions, so that a configuration can choose among them."""

from collections.abc import Callable
from typing import Any

from toolbox.errors import UserError, nearest
from toolbox.registries import fill


class Registry:
    """A table from names to objects. `name` says what they are ("TRAINER", "DATASET", ...), for messages.

    Use it as `@REGISTRY.register()` above a class or function, or call `REGISTRY.register(thing)`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._objects: dict[str, Any] = {}

    def register(self, obj: Any = None, force: bool = False) -> Callable[[Any], Any] | None:
        """Enter `obj` under its `__name__`; a name that is taken raises KeyError unless `force` is set."""
        if obj is None:

            def enter(thing: Any) -> Any:
                self.register(thing, force=force)
                return thing

            return enter
        name = obj.__name__
        if name in self._objects and not force:
            raise KeyError(f'the {self._name} registry has another object named "{name}" already')
        self._objects[name] = obj
        return None

    def get(self, name: str) -> Any:
        """The object called `name`; UserError offers the nearest names when there is none."""
        fill(self._name)
        if name not in self._objects:
            raise UserError(f'unknown {self._name.lower()} "{name}"; {nearest(name, self._objects)}')
        return self._objects[name]

    def registered_names(self) -> list[str]:
        """All names, in the order of registration."""
        fill(self._name)
        return list(self._objects)
