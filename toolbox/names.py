"""File names from names that data, classes and users bring."""

import re

from toolbox.errors import UserError
from toolbox.words import is_plain

LONGEST = 100
"""Bytes of a safe name: file systems take 255, and writers add suffixes of their own."""

_UNSAFE = re.compile(r"[^\w.+=@-]+")
_FORBIDDEN = re.compile(r'[\\:*?"<>|]')
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def safe_name(text: str) -> str:
    """`text` as one component of a path: no separators, blanks, control characters or leading dots, never empty or too long.

    Letters of any script stay; what a Windows disk reserves gets an underscore.
    """
    name = _UNSAFE.sub("_", text).lstrip(".").rstrip("._") or "_"
    while len(name.encode("utf-8", "replace")) > LONGEST:
        name = name[:-1]
    return f"_{name}" if name.partition(".")[0].lower() in _RESERVED else name


class OwnNames:
    """Safe names for files of one folder, numbered where two become one."""

    def __init__(self) -> None:
        self.used: dict[str, int] = {}

    def name(self, *texts: str) -> str:
        """The safe name of each text, joined by `_`, and its number from the second on."""
        name = "_".join(map(safe_name, texts))
        self.used[name] = self.used.get(name, 0) + 1
        return name if self.used[name] == 1 else f"{name}_{self.used[name]}"


def check_name(text: str, what: str, nested: bool = False) -> str:
    """`text` itself, if it can be the name of a file or folder below another; `nested` lets `/` lead further down.

    For names that must stay as they are, because two that become one would write over each other.

    Raises:
        UserError: it leads elsewhere, is too long, or no disk takes it; `what` names it.
    """
    parts = text.split("/") if nested else [text]
    if all(map(_is_name, parts)):
        return text
    raise UserError(
        f"{what} {text[:LONGEST]!r} cannot be the name of a folder: use letters, digits, '_', '-' and '.', not first a dot"
        f"{'' if nested else ' and no /'}, {LONGEST} bytes at most"
    )


def _is_name(part: str) -> bool:
    return (
        0 < len(part.encode("utf-8", "replace")) <= LONGEST
        and is_plain(part)
        and "/" not in part
        and not part.startswith(".")
        and part == part.strip()
        and not _FORBIDDEN.search(part)
        and part.partition(".")[0].lower() not in _RESERVED
    )
