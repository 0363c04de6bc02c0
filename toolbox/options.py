"""Configuration values declared: default, what it is in a sentence, and what is allowed."""

import math
from dataclasses import dataclass
from typing import Any

from toolbox.errors import UserError


@dataclass(frozen=True)
class Option:
    """One configuration key.

    Attributes:
        default: its value where nobody says one; its type is the key's. None for keys of Dassl's own, which have theirs.
        help: what it is, one sentence without a full stop.
        low, high: the smallest and largest number allowed (of each entry, where the value is a tuple).
        choices: the values allowed, where they are few.
    """

    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple = ()

    def check(self, key: str, value: Any) -> None:
        """Raises UserError, which names the key and what is allowed, if `value` is not."""
        numbers = value if isinstance(value, list | tuple) else [value]
        if (self.choices and value not in self.choices) or not all(map(self._allows, numbers)):
            raise UserError(f"{key} is {value!r}: {self.help}; give {self.allowed()}")

    def _allows(self, value: Any) -> bool:
        if self.low is None and self.high is None:
            return not (isinstance(value, float) and not math.isfinite(value))
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def allowed(self) -> str:
        """What may be given, in words."""
        if self.choices:
            *most, last = (str(choice) or '""' for choice in self.choices)
            return f"{', '.join(most)} or {last}" if most else last
        if self.low is not None and self.high is not None:
            return f"{self.low:,} to {self.high:,}"
        if self.low is not None:
            return f"{self.low:,} or more"
        if self.high is not None:
            return f"{self.high:,} or less"
        return {bool: "True or False", str: "text", float: "a number", int: "a number"}.get(
            type(self.default), "a value"
        )


def default_of(value: Any) -> Any:
    """The default of a key that is declared by an Option, or by its default alone."""
    return value.default if isinstance(value, Option) else value
