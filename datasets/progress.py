"""A progress bar on the terminal, and nothing where there is none (logs, pipes)."""

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import track

from toolbox.words import shown

T = TypeVar("T")


def bar(items: Iterable[T], text: str, total: int | None = None) -> Iterable[T]:
    """`items`, with a bar on standard error that is gone when they end."""
    console = Console(stderr=True)
    return track(items, escape(shown(text)), total, console=console, transient=True) if console.is_terminal else items
