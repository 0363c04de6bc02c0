"""What enters Dassl's registries when one of them is first looked into: importing our packages takes no time before."""

from collections.abc import Callable

_waiting: dict[str, Callable[[], object]] = {}


def fill_with(registry: str, enter: Callable[[], object]) -> None:
    """Call `enter` before the registry of that name ("TRAINER", "DATASET") is first looked into."""
    _waiting[registry] = enter


def fill(registry: str) -> None:
    """Do so now, if anything waits."""
    enter = _waiting.pop(registry, None)
    if enter is not None:
        enter()
