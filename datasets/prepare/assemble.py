"""From a release to the files of a data set: a split, and the images it names."""

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from toolbox.errors import UserError

from ..facts import Facts
from ..partition import divide
from ..progress import bar
from ..split import PARTS, Item, Split, ordered, read_split, write_split
from ..sums import sums_of
from .raw import Release

SHARES = (0.8, 0.1, 0.1)
PLACINGS = ("link", "copy", "symlink")


def make_split(
    release: Release, facts: Facts, root: Path, seed: int, shares: tuple[float, float, float] = SHARES
) -> tuple[Split, dict[str, Path]]:
    """The split of a release and the source file of each of its paths. `root` is the folder of the download.

    Official parts are kept; otherwise images are divided by `shares`, stratified, patients together, as `seed` says.
    Raises UserError for a class without images, an image of two classes, or a release without images.
    """
    base, prefix = (release.base, "") if release.base else (root, "images/")
    classnames = facts.classnames or release.classnames or tuple(sorted({entry.classname for entry in release.entries}))
    if release.base:
        classnames = release.classnames
    label = {name: index for index, name in enumerate(classnames)}
    files, items, groups, official = {}, {}, {}, {}
    for entry in release.entries:
        path = prefix + entry.file.relative_to(base).as_posix()
        if path in items and items[path].classname != entry.classname:
            raise UserError(
                f"{entry.file.name} is {items[path].classname!r} and {entry.classname!r}; an image has one label"
            )
        items[path] = Item(path, label[entry.classname], entry.classname)
        files[path] = entry.file
        if entry.group:
            groups[path] = entry.group
        if entry.part:
            official[path] = entry.part
    _check_classes(items, classnames, facts)
    if len(official) == len(items):
        parts = {part: ordered(items[path] for path in items if official[path] == part) for part in PARTS}
    else:
        parts = divide(ordered(items.values()), dict(zip(PARTS, shares, strict=True)), seed, groups)
    meta = _meta(facts, "official" if official else "seeded", seed, shares)
    return Split(**parts, groups=groups, meta=meta), files


def install(split: Split, files: Mapping[str, Path], folder: Path, facts: Facts, placing: str) -> Path:
    """Put the images below `folder` and write the split file last, so that an interrupted run leaves no split.

    `placing`: "link" makes hard links, or copies where the file system cannot; "copy"; "symlink".
    Returns the path of the split file.
    """
    for path in bar(files, f"Placing images in {folder.name}"):
        _place(files[path].resolve(), folder / facts.images / path, placing)
    split_path = folder / facts.split_file
    write_split(split_path, replace(split, sums=sums_of(folder / facts.images, files)))
    read_split(split_path)
    return split_path


def _place(source: Path, target: Path, placing: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.samefile(source):
        return
    target.unlink(missing_ok=True)
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
        raise UserError(f"{target} cannot be written: {error.strerror}") from None


def _check_classes(items: Mapping[str, Item], classnames: tuple[str, ...], facts: Facts) -> None:
    if not items:
        raise UserError(f"{facts.name}: no images found in the download")
    count = Counter(item.classname for item in items.values())
    bare = [name for name in classnames if not count[name]]
    if bare:
        raise UserError(f"{facts.name}: class {bare[0]!r} has no image in the download; is it whole?")


def _meta(facts: Facts, division: str, seed: int, shares: tuple[float, float, float]) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": facts.name, "source": facts.source, "licence": facts.licence, "division": division}
    return meta | ({"seed": seed, "shares": list(shares)} if division == "seeded" else {})
