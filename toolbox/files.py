"""Writing files whole or not at all."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed over `path`, on error removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def atomic_write(path: str | Path, write: Callable[[Path], Any]) -> None:
    """Call `write(temporary path)`, then rename the result to `path`."""
    with atomic_path(path) as part:
        write(part)


def atomic_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all."""
    atomic_write(path, lambda part: part.write_text(text, encoding="utf-8"))


def atomic_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all."""
    atomic_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
