"""The one exception that means "the user can mend this"; commands print it as a line and exit with code 2."""

import difflib
from collections.abc import Iterable

from toolbox.words import sentence

_FROM_A_WORKER = "Caught UserError in DataLoader worker"


class UserError(Exception):
    """Bad input: the message, one line, names the file, key or class and says what to do about it."""

    def __init__(self, message: str) -> None:
        if message.startswith(_FROM_A_WORKER):  # torch puts the whole traceback there; our line is its last
            message = message.rstrip().rpartition(f"{type(self).__name__}: ")[2]
        super().__init__(sentence(message))


def nearest(name: str, known: Iterable[str], n: int = 3) -> str:
    """Sentence fragment that offers the known names nearest to a misspelt one, or all of them when few."""
    spelt = {k.lower(): k for k in sorted(known)}
    close = difflib.get_close_matches(name.lower(), spelt, n=n, cutoff=0.4)
    names = [spelt[k] for k in close] or list(spelt.values())
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"nearest: {shown}" if close else f"known: {shown}"
