"""The downloaded release as it lies on disk: its images and its tables."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from toolbox.errors import UserError

from ..walk import SUFFIXES, walk
from .tables import read_table


class Entry(NamedTuple):
    """One image of a release: the file, its class, the part an official split gives it, and whom it shows."""

    file: Path
    classname: str
    part: str | None = None
    group: str | None = None


class Release(NamedTuple):
    """All that a release says: its images, what a user should know (`notes`), and class names where no table has them.

    `base` is the folder that the split's paths start from, where it is not the whole download. `own` marks a user's data, of
    which nobody knows the division: faults that a published release is known with are refused there. `read` are tables.
    `contradicts` itself: some of its images stand under two labels, and none of them can be believed.
    """

    entries: list[Entry]
    notes: list[str] = []
    classnames: tuple[str, ...] = ()
    base: Path | None = None
    own: bool = False
    read: tuple[Path, ...] = ()
    contradicts: bool = False


class RawTree:
    """Files below one folder, as `datasets.walk` finds them: `images`, `masks` and `others`."""

    def __init__(self, root: Path, keep_masks: bool = False):
        self.root = root
        self.found = walk(root, keep_masks)
        self.images, self.masks, self.others = self.found.images, self.found.masks, self.found.others
        self._known = set(self.images)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in self.images:
            self._by_stem[path.stem.lower()].append(path)

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def table(self, *names: str) -> list[dict[str, str]]:
        """Rows of the csv file called one of `names` (case does not matter). UserError if none or several are there."""
        path = self.file(*names)
        if path is None:
            raise UserError(f"no {' or '.join(names)} below {self.root}; is this the whole release?")
        return read_table(path)

    def file(self, *names: str) -> Path | None:
        """The one file called one of `names`, whatever its folder and case; None if there is none."""
        wanted = {name.lower() for name in names}
        found = [path for path in self.others if path.name.lower() in wanted]
        if len(found) > 1:
            raise UserError(f"{found[0]} and {found[1]} have the same name; give --raw the folder of one of them")
        return found[0] if found else None

    def image(self, name: str, hint: str = "") -> Path:
        """The image called `name` (with or without suffix, with or without folders); of several, the one below a folder `hint`.

        Raises UserError if there is none, or several and the hint does not tell them apart.
        """
        wanted = name.replace("\\", "/").strip()
        exact = self.root / wanted
        stem = Path(wanted).stem if Path(wanted).suffix.lower() in SUFFIXES else Path(wanted).name
        found = [exact] if exact in self._known else self._by_stem.get(stem.lower(), [])
        if len(found) > 1:
            tail = [path for path in found if self.relative(path).endswith(f"/{wanted}")]
            found = tail if len(tail) == 1 else [p for p in found if hint and hint in self.relative(p).lower()]
        if len(found) != 1:
            what = f"{len(found)} images are" if found else "no image is"
            raise UserError(f"{what} called {name!r} below {self.root}; is this the whole release?")
        return found[0]

    def class_folders(self, names: Iterable[str]) -> dict[str, list[Path]]:
        """Images below folders called `names` (case does not matter), by name. UserError if a folder has no image."""
        found = {name: [] for name in names}
        lower = {name.lower(): name for name in found}
        for path in self.images:
            above = next(
                (
                    lower[part.lower()]
                    for part in reversed(path.relative_to(self.root).parts[:-1])
                    if part.lower() in lower
                ),
                None,
            )
            if above is not None:
                found[above].append(path)
        empty = [name for name, paths in found.items() if not paths]
        if empty:
            raise UserError(f"no images in a folder {empty[0]!r} below {self.root}; expected: {', '.join(found)}")
        return found
