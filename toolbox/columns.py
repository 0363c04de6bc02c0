"""Lists and tables of words in as many columns as the terminal has; what is piped keeps a line a row."""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence


def terminal_width() -> int | None:
    """Columns of the terminal; None where output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def told(pairs: Iterable[tuple[str, str]], indent: str = "") -> str:
    """A line a name with what is said of it; a longer one goes on below, and below names that take half of the terminal."""
    lines, width = list(pairs), terminal_width()
    column = max((len(name) for name, _ in lines), default=0)
    if width is None or all(len(indent) + column + 2 + len(said) <= width for _, said in lines):
        return "\n".join(f"{indent}{name:<{column}}  {said}".rstrip() for name, said in lines)
    below = column > width // 2
    text = indent + " " * (4 if below else column + 2)
    found = []
    for name, said in lines:
        first = f"{indent}{name}\n" if below else f"{indent}{name:<{column}}  "
        wrapped = _wrapped(said, width - len(text))
        found.append((first + f"\n{text}".join(["", *wrapped] if below else wrapped).removeprefix("\n")).rstrip())
    return "\n".join(found)


def table(rows: Iterable[Sequence[str]], headers: Sequence[str]) -> str:
    """One with a line of heads; where that is wider than the terminal, each row is a list below its first cell."""
    from tabulate import tabulate  # only now: what only has lists runs without it

    cells, width = list(rows), terminal_width()
    grid = tabulate(cells, headers, disable_numparse=True)
    if width is None or max(map(len, grid.splitlines())) <= width:
        return grid
    return "\n".join(f"{first}\n{told(zip(headers[1:], rest, strict=True), '    ')}" for first, *rest in cells)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False) or [""]
