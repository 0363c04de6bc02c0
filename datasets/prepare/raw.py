"""The downloaded release as it lies on disk: its images and its tables."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from toolbox.errors import UserError

from ..images import SUFFIXES

_CLUTTER = "__MACOSX"


class Entry(NamedTuple):
    """One image of a release: the file, its class, the part an official split gives it, and whom it shows."""

    file: Path
    classname: str
    part: str | None = None
    group: str | None = None


class Release(NamedTuple):
    """All that a release says: its images, what a user should know (`notes`), and class names where no table has them.

    `base` is the folder that the split's paths start from, where it is not the whole download.
    """

    entries: list[Entry]
    notes: list[str] = []
    classnames: tuple[str, ...] = ()
    base: Path | None = None


class RawTree:
    """Files below one folder; hidden files and those of macOS's archiver are not seen."""

    def __init__(self, root: Path):
        self.root = root
        self.files = sorted(path for path in root.rglob("*") if path.is_file() and self._counts(path))
        self.images = [path for path in self.files if path.suffix.lower() in SUFFIXES]
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
        found = [path for path in self.files if path.name.lower() in wanted]
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

    def _counts(self, path: Path) -> bool:
        parts = path.relative_to(self.root).parts
        return _CLUTTER not in parts and not any(part.startswith(".") for part in parts)


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a csv file with `,`, `;` or tab between columns; names and values without blanks around them."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as text ({type(error).__name__}); save it as UTF-8 csv") from None
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    try:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter, restval=""))
    except csv.Error as error:
        raise UserError(f"{path} is no csv ({error}); save it again as UTF-8 csv") from None
    if not rows:
        raise UserError(f"{path} has no rows")
    return [
        {(key or "").strip(): (value or "").strip() for key, value in row.items() if isinstance(value, str)}
        for row in rows
    ]


def column(rows: list[dict[str, str]], path: str, *names: str) -> str:
    """The column of a table that is called one of `names`, in any case. UserError with the table's columns if none is."""
    for name in names:
        for key in rows[0]:
            if key.lower() == name.lower():
                return key
    raise UserError(f"{path} has no column {' or '.join(repr(n) for n in names)}; its columns: {', '.join(rows[0])}")


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(f"{path} is not JSON; download it again") from None
