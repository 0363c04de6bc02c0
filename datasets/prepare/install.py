"""Putting a data set's files where they belong: all of them, or none."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from toolbox.errors import UserError

from ..facts import Facts
from ..progress import bar
from ..split import Split, read_split, write_split

PLACINGS = ("link", "copy", "symlink")


@contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """A temporary folder in `folder`; in the end it is removed, and so are `folder` and those above it that this made empty.

    The folder is this process's until then; what a prepare that was killed left of its own temporary folder is cleared.

    Raises UserError if it cannot be made, the disk fails, or another prepare is at work in `folder`.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder):
            for left in folder.glob(".unpacked-*"):
                shutil.rmtree(left, ignore_errors=True)
            scratch = Path(tempfile.mkdtemp(prefix=".unpacked-", dir=folder))
            try:
                yield scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise UserError(f"{error.filename or folder}: {error.strerror}; make room or choose another --root") from None
    finally:
        with suppress(OSError):  # an empty folder would look like a data set
            for path in made:
                path.rmdir()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Lock the folder itself, which leaves no file behind; the system frees it if this process dies."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another prepare is at work in {folder}; wait for it, or choose another --root") from None
        except OSError:  # file systems without locks, such as some network disks
            print(f"note: {folder} cannot be locked: start no second prepare into it")
        yield
    finally:
        os.close(handle)


def install(split: Split, files: Mapping[str, Path], folder: Path, facts: Facts, placing: str, scratch: Path) -> Path:
    """Put the images below `folder` and write the split file last, so that a refused or interrupted run leaves no split.

    Split and images are made whole in `scratch`, on the same disk, and then moved. `placing`: "link" makes hard links, or
    copies where the file system cannot; "copy"; "symlink". Returns the path of the split file.
    """
    staged = scratch / "split.json"
    write_split(staged, split)
    _check(staged, folder / facts.split_file)
    waiting = scratch / ".placing"
    moves = []
    for path in bar(files, f"Placing images in {folder.name}"):
        source, target = files[path].resolve(), folder / facts.images / path
        if not (target.exists() and target.samefile(source)):
            _place(source, waiting / path, placing)
            moves.append((waiting / path, target))
    for image, target in moves:
        target.parent.mkdir(parents=True, exist_ok=True)
        image.replace(target)
    split_path = folder / facts.split_file
    write_split(split_path, split)
    return split_path


def _check(staged: Path, final: Path) -> None:
    """Read a split as a run will. Raises UserError that names the file it was to become."""
    try:
        read_split(staged)
    except UserError as error:
        raise UserError(f"not written: {str(error).replace(str(staged), str(final))}") from None


def _place(source: Path, target: Path, placing: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if placing == "symlink":
        target.symlink_to(source)
        return
    if placing == "link":
        try:
            os.link(source, target)
            return
        except OSError:  # another file system, or one without links
            pass
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise UserError(f"{target.name} cannot be written: {error.strerror}") from None
