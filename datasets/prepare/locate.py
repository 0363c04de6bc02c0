"""Which file a row of a table names: exactly one."""

import os
import re
import string
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from toolbox.errors import UserError

from ..walk import SUFFIXES
from .raw import RawTree
from .tables import column


class Locator:
    """Finds images by what a table calls them. A name that fits no file is missing; one that fits several is refused."""

    def __init__(self, raw: RawTree, table: Path):
        self.raw, self.table = raw, table
        self.known = {raw.relative(path): path for path in [*raw.images, *raw.masks]}
        self.by_name: dict[str, list[str]] = defaultdict(list)  # keys in lower case, masks after images
        self.by_stem: dict[str, list[str]] = defaultdict(list)
        self.folders: dict[str, list[Path]] = defaultdict(list)
        masks = set(raw.masks)
        for relative, path in self.known.items():
            self.by_name[path.name.lower()].append(relative)
            if path in masks:
                continue
            self.by_stem[path.stem.lower()].append(relative)
            for folder in PurePosixPath(relative).parents:
                self.folders[folder.as_posix()].append(path)

    def find(self, name: str) -> list[Path]:
        """The image called `name`, or all images below the folder of that name; [] if there is none.

        A path is one below the download, or from the table's own folder, or the end of one that no other file has; a bare
        name without suffix is taken if one image alone has it. Case counts only where it tells files apart.
        Raises UserError if several files fit.
        """
        wanted = plain_path(name)
        exact = {path for way in self._ways(wanted) for path in self._exact(way)}
        if exact:
            return self._one(name, exact)
        key = PurePosixPath(wanted).name.lower()
        bare = PurePosixPath(wanted).suffix.lower() not in SUFFIXES
        for files, cut in ((self.by_name, False), *(((self.by_stem, True),) if bare else ())):
            fits = [relative for relative in files.get(key, ()) if _ends(relative, wanted, cut)]
            fits = [relative for relative in fits if self.known[relative] not in set(self.raw.masks)] or fits
            cased = [relative for relative in fits if _ends(relative, wanted, cut, str)]
            if fits:
                return self._one(name, {self.known[relative] for relative in cased or fits})
        below = [way for way in dict.fromkeys(self._ways(wanted)) if way in self.folders and way != "."]
        below = below or [folder for folder in self.folders if wanted and f"/{folder}".endswith(f"/{wanted}")]
        if len(below) > 1:
            raise UserError(
                f"{self.table.name}: {name!r} may be the folder {below[0]} or {below[1]}; give the whole path"
            )
        return self.folders[below[0]] if below else []

    def hint(self, name: str) -> str:
        """What else might be meant by a name that fits no file."""
        wanted = PurePosixPath(plain_path(name))
        other = next(iter(self.by_stem.get(wanted.stem.lower(), [])), "")
        kind = "{:name}" if PurePosixPath(other).name == wanted.name else "{:stem}" + PurePosixPath(other).suffix
        return f" (there is {other}: if files like it are meant, give --path-template '{kind}')" if other else ""

    def _ways(self, wanted: str) -> list[str]:
        """Paths below the download that a path may mean as it is written."""
        ways = [wanted]
        if self.table.is_relative_to(self.raw.root):
            ways.append(f"{self.raw.relative(self.table.parent)}/{wanted}")
        inside = f"/{wanted}".split(f"/{self.raw.root.name}/")  # written from a folder above the download
        ways += ["/".join(inside[i:]) for i in range(1, len(inside))]
        return [os.path.normpath(way).replace("\\", "/") for way in ways]

    def _exact(self, way: str) -> list[Path]:
        return [self.known[way]] if way in self.known else []

    def _one(self, name: str, found: set[Path]) -> list[Path]:
        if len(found) > 1:
            first, second = sorted(map(self.raw.relative, found))[:2]
            raise UserError(
                f"{self.table.name}: {len(found)} images are called {name!r}: {first} and {second}; write the whole path, "
                "for example with --path-template"
            )
        return list(found)


def plain_path(name: str) -> str:
    """A path with `/`, without `./`, a drive letter, and blanks and `/` at its ends."""
    path = re.sub(r"^[A-Za-z]:", "", name.strip().replace("\\", "/"))
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def fill(template: str, row: Mapping[str, str], file_column: str | None, table: str) -> str:
    """`template` with columns of `row` for `{column}` and the file's for `{}`; `{column:stem}` and `{:name}` cut paths short.

    Raises UserError for an unknown column or a format that is none.
    """
    try:
        text = ""
        for literal, name, form, _ in string.Formatter().parse(template):
            text += literal
            if name is not None:
                key = column([row], table, name) if name else file_column
                path = PurePosixPath(plain_path(row[key or ""]))
                text += {"stem": path.stem, "name": path.name}.get(form) or format(row[key or ""], form or "")
        return text
    except (ValueError, KeyError) as error:
        raise UserError(
            f"--path-template {template!r} cannot be filled ({error}); write for example '{{id}}.png'"
        ) from None


def _ends(relative: str, wanted: str, without_suffix: bool, fold=str.lower) -> bool:
    have = relative[: -len(PurePosixPath(relative).suffix) or None] if without_suffix else relative
    return f"/{fold(have)}".endswith(f"/{fold(wanted)}")
