"""File names from names that data, classes and users bring."""

import re

LONGEST = 100
"""Bytes of a safe name: file systems take 255, and writers add suffixes of their own."""

_UNSAFE = re.compile(r"[^\w.+=@-]+")
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def safe_name(text: str) -> str:
    """`text` as one component of a path: no separators, blanks, control characters or leading dots, never empty or too long.

    Letters of any script stay; what a Windows disk reserves gets an underscore.
    """
    name = _UNSAFE.sub("_", text).lstrip(".").rstrip("._") or "_"
    while len(name.encode("utf-8", "replace")) > LONGEST:
        name = name[:-1]
    return f"_{name}" if name.partition(".")[0].lower() in _RESERVED else name
