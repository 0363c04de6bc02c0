"""Text that came from files, safe to show: on a terminal, in a spreadsheet."""

import os
import re

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, what turns the direction of writing, and halves of characters (bytes of a name that are not UTF-8)."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def is_plain(text: str) -> bool:
    """Whether nothing in `text` is hidden: no control character, no change of direction, no half of a character."""
    return not _HIDDEN.search(text)


def shown(text: object) -> str:
    """`text` in one line with what a terminal would obey, or could not show, written out: "\\x1b[2J"."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def sentence(text: str) -> str:
    """A message as one line: colours of other programs go, line ends become blanks, the rest is as in `shown`."""
    return shown(re.sub(r"\s*\n\s*", " ", _COLOURS.sub("", text)).strip())


def cell(text: str) -> str:
    """`text` for a CSV file: an apostrophe before what a spreadsheet would take for a formula, the rest as in `shown`."""
    return f"'{shown(text)}" if text.startswith(_FORMULA) else shown(text)


def file_text(name: str | os.PathLike) -> str:
    """The name of a file as text that can be written, and read back: bytes that are not UTF-8 as \\xNN, a backslash as two."""
    whole = os.fsencode(name).replace(b"\\", b"\\\\")
    return whole.decode("utf-8", "backslashreplace")
