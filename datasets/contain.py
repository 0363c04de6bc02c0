"""Paths that come from a file stay below the folder that file describes."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from toolbox.errors import UserError


def resolve_images(
    image_dir: str | Path, paths: Iterable[str], split_path: str | Path, allow_outside: bool = False
) -> dict[str, str]:
    """Map each path of a split to its file below `image_dir`.

    Unless `allow_outside`, absolute paths, `..` and links that lead out of `image_dir` are refused.
    Raises UserError for those, and for files that do not exist (how many, and the first three).
    """
    paths = list(paths)
    files, missing, outside = find_faulty(image_dir, paths, allow_outside)
    if outside:
        raise UserError(
            f"{split_path}: {outside[0]!r} leads out of {image_dir}; mend the split, or set DATASET.ALLOW_OUTSIDE True"
        )
    if missing:
        first = ", ".join(missing[:3])
        raise UserError(
            f"{split_path}: {len(missing)} of {len(paths)} images do not exist below {image_dir}, first: {first}"
        )
    return files


def find_faulty(
    image_dir: str | Path, paths: Iterable[str], allow_outside: bool = False
) -> tuple[dict[str, str], list[str], list[str]]:
    """Sort paths into (files by path, those that do not exist, those that lead out of `image_dir`)."""
    base = str(Path(image_dir))
    keeper = _Keeper(base)
    files: dict[str, str] = {}
    missing, outside = [], []
    for path in paths:
        absolute = path.startswith("/") or (":" in path and Path(path).is_absolute())
        full = path if absolute else f"{base}/{path}"
        try:
            kind = os.lstat(full).st_mode  # once a file: there may be a hundred thousand, on a disk in another room
        except (OSError, ValueError):  # names that no file can have
            kind = 0
        linked = stat.S_ISLNK(kind)
        if not allow_outside and (absolute or not keeper.holds(path, full, linked)):
            outside.append(path)
        elif stat.S_ISREG(kind) or (linked and Path(full).is_file()):
            files[path] = full
        else:
            missing.append(path)
    return files, missing, outside


class _Keeper:
    """Tells whether paths stay below a folder, resolving each folder once."""

    def __init__(self, base: str):
        self.real = os.path.realpath(base)
        self.folders: dict[str, bool] = {}

    def holds(self, path: str, full: str, linked: bool) -> bool:
        if ".." in path.split("/"):
            return False
        if linked:
            return self._below(full)
        parent = full.rpartition("/")[0]
        if parent not in self.folders:
            self.folders[parent] = self._below(parent)
        return self.folders[parent]

    def _below(self, place: str) -> bool:
        try:
            return _is_below(os.path.realpath(place), self.real)
        except (OSError, ValueError):  # nothing has such a name, here or elsewhere
            return True


def lies_below(file: BinaryIO, path: str | Path, folder: str) -> bool:
    """Whether `file`, opened at `path`, is a file in `folder` or below it; `folder` has no links in its path."""
    real = os.path.realpath(path)
    return _is_below(real, folder) and os.path.samestat(os.fstat(file.fileno()), Path(real).stat())


def _is_below(real: str, folder: str) -> bool:
    return real == folder or real.startswith(folder.rstrip(os.sep) + os.sep)
