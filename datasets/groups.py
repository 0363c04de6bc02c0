"""Finding the patient in a file name."""

import re
from collections.abc import Callable
from pathlib import PurePath

from toolbox.errors import UserError


def group_finder(pattern: str) -> Callable[[str | PurePath], str | None]:
    """A function from a path to what the first bracket of `pattern` finds in its file name; None where it finds nothing.

    An empty pattern finds nothing anywhere. Raises UserError if `pattern` is no regular expression or has no bracket.
    """
    if not pattern:
        return lambda path: None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"--group-pattern {pattern!r} is no regular expression ({error})") from None
    if compiled.groups < 1:
        raise UserError(f"--group-pattern {pattern!r} has no bracket; write for example '(person[0-9]+)_'")

    def find(path: str | PurePath) -> str | None:
        found = compiled.search(PurePath(path).name)
        return found.group(1) if found else None

    return find
