"""Writing files whole or not at all."""

import errno
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toolbox.errors import UserError

DISK_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP),
}
"""What is wrong with a disk or a name, and no fault of the program."""

_HALF = re.compile("[\ud800-\udfff]")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed over `path`, on error removed.

    Raises:
        UserError: the disk is full, read-only or broken; what was at `path` before is still there.
    """
    path = Path(path)
    try:
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
            _flush_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise UserError(f"cannot write {path}: {os.strerror(error.errno)}") from error
        raise


def atomic_write(path: str | Path, write: Callable[[Path], Any]) -> None:
    """Call `write(temporary path)`, then rename the result to `path`."""
    with atomic_path(path) as part:
        write(part)


def atomic_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all."""
    atomic_write(path, lambda part: part.write_text(text, encoding="utf-8"))


def atomic_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all.

    Bytes of a file's name that are not UTF-8, which Python keeps as halves of characters, are escaped as JSON does.
    ValueError for NaN, which JSON does not know.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    atomic_text(path, _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", text) + "\n")


def writable(folder: Path) -> bool:
    """Whether files may be made in `folder` (or it in its nearest existing parent); write-protected bits count for root too."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK) and bool(folder.stat().st_mode & 0o222)


def check_writable(folder: str | Path, remedy: str) -> None:
    """Find out before the work whether its results can be written into `folder`, which need not be there yet.

    Raises:
        UserError: they cannot; the message ends with `remedy`, such as "give --out FOLDER".
    """
    try:
        if writable(Path(folder)):
            return
        reason = "no folder, or write-protected"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    raise UserError(f"{folder} cannot be written ({reason}); {remedy}")


def _flush_folder(folder: Path) -> None:
    """Make the new name last through a power cut; some file systems have no such call, and need none."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
