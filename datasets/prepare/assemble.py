"""From a release to a split: its images, each once, in parts that keep patients and copies together."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolbox.errors import UserError

from ..facts import Facts
from ..groups import alone
from ..partition import divide
from ..split import PARTS, Item, Split, ordered
from ..sums import file_sums
from .copies import contradictions, drop_copies, find_copies, join_copies, judge_copies
from .raw import Entry, Release

SHARES = (0.8, 0.1, 0.1)


@dataclass
class _Images:
    """Images by their path in the split: file, item, patient and official part where there is one."""

    files: dict[str, Path] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    official: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, entry: Entry, label: int) -> None:
        """Add an entry. Raises UserError if its image is there with another label, part or patient."""
        said = {
            "": (self.items[path].classname if path in self.items else entry.classname, entry.classname, "label"),
            "in ": (self.official.get(path), entry.part, "part"),
            "of patient ": (self.groups.get(path), entry.group, "patient"),
        }
        for word, (before, now, what) in said.items():
            if path in self.items and before != now:
                name = entry.file.name
                raise UserError(f"{name} is {word}{before!r} and {word}{now!r}; an image has one {what} ({entry.file})")
        self.files[path], self.items[path] = entry.file, Item(path, label, entry.classname)
        if entry.group:
            self.groups[path] = entry.group
        if entry.part:
            self.official[path] = entry.part

    def drop(self, paths: Iterable[str]) -> None:
        for path in paths:
            for table in (self.files, self.items, self.groups, self.official):
                table.pop(path, None)


def make_split(
    release: Release,
    facts: Facts,
    root: Path,
    seed: int,
    shares: tuple[float, float, float] = SHARES,
    duplicates: str = "together",
) -> tuple[Split, dict[str, Path], list[str]]:
    """The split of a release, the source file of each of its paths, and what to say of it. `root` is the download's folder.

    Official parts are kept; otherwise images are divided by `shares`, stratified, patients and copies together, as `seed`
    says. `duplicates` (`datasets.prepare.copies`) says what becomes of equal files.
    Raises UserError for a class without images, fewer than two classes or two of one plain name, empty files, an image with
    two labels, parts or patients, and, in a user's own data, for a patient in two of its parts.
    """
    base, prefix = (release.base, "") if release.base else (root, "images/")
    classnames = facts.classnames or release.classnames or tuple(sorted({entry.classname for entry in release.entries}))
    if release.base:
        classnames = release.classnames
    label = {name: index for index, name in enumerate(classnames)}
    images = _Images()
    for entry in release.entries:
        images.add(prefix + entry.file.relative_to(base).as_posix(), entry, label[entry.classname])
    _check_classes(images.items, classnames, facts)
    sums = file_sums(images.files)
    copies = find_copies(sums)
    notes = []
    if copies and duplicates == "drop":
        dropped = drop_copies(copies, images.items, images.official)
        images.drop(dropped)
        notes, copies = [f"{len(dropped)} copies of images were left out"], []
        _check_classes(images.items, classnames, facts)
    elif release.contradicts and (wrong := contradictions(copies, images.items)):
        images.drop(path for paths in wrong for path in paths)
        copies = [paths for paths in copies if paths not in wrong]
        notes = [f"{len(wrong)} images that stand under two labels were left out, first {' = '.join(wrong[0][:2])}"]
    official = images.official if len(images.official) == len(images.items) else {}
    notes += judge_copies(copies, images.items, official, duplicates, release.own)
    groups = images.groups
    if not official and alone(groups) and len(groups) == len(images.items):
        notes.append("every image has a patient of its own: patients keep nothing together, and are not written down")
        groups = {}
    if official:
        notes += _torn(groups, official, release.own)
        parts = {part: ordered(item for path, item in images.items.items() if official[path] == part) for part in PARTS}
    else:
        by, groups = join_copies(groups, copies if duplicates == "together" else ())
        parts = divide(ordered(images.items.values()), dict(zip(PARTS, shares, strict=True)), seed, by)
        left = _not_tested(parts, by)
        if not parts["test"]:
            raise UserError(f"{facts.name}: nothing can be spared for the test; {left[0]}")
        notes += left
    meta = _meta(facts, "official" if official else "seeded", seed, shares)
    sums = {path: sums[path] for path in images.items}
    return Split(**parts, groups=groups, meta=meta, sums=sums), images.files, notes


def _check_classes(items: Mapping[str, Item], classnames: tuple[str, ...], facts: Facts) -> None:
    if not items:
        raise UserError(f"{facts.name}: no images found in the download")
    count = Counter(item.classname for item in items.values())
    bare = [name for name in classnames if not count[name]]
    if bare:
        raise UserError(f"{facts.name}: class {bare[0]!r} has no image in the download; is it whole?")
    if len(classnames) < 2:
        raise UserError(f"{facts.name}: all images are of one class, {classnames[0]!r}; a data set needs two or more")


def _torn(groups: Mapping[str, str], official: Mapping[str, str], own: bool) -> list[str]:
    parts: dict[str, set[str]] = defaultdict(set)
    for path, group in groups.items():
        parts[group].add(official[path])
    torn = sorted(group for group, found in parts.items() if len(found) > 1)
    if torn and own:
        where = " and ".join(sorted(parts[torn[0]]))
        raise UserError(
            f"{len(torn)} of {len(parts)} patients are in two parts of the download, first {torn[0]!r} in {where}; "
            "--parts ignore divides anew, patients whole"
        )
    return [f"{len(torn)} patients are in two parts of the official division, first {torn[0]!r}"] if torn else []


def _not_tested(parts: Mapping[str, list[Item]], groups: Mapping[str, str]) -> list[str]:
    """Names classes that have nothing to spare for the test."""
    tested = {item.classname for item in parts["test"]}
    notes = []
    for name in sorted({item.classname for item in parts["train"]} - tested):
        several = sum(item.classname == name for item in parts["train"])
        reason = "one patient (or set of copies) alone" if several > 1 else "one image"
        if len({groups.get(item.path, item.path) for item in parts["train"] if item.classname == name}) > 1:
            reason = "patients that other classes cannot spare"
        notes.append(f"class {name!r} cannot be in test: it has {reason}")
    return notes


def _meta(facts: Facts, division: str, seed: int, shares: tuple[float, float, float]) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": facts.name, "source": facts.source, "licence": facts.licence, "division": division}
    return meta | ({"seed": seed, "shares": list(shares)} if division == "seeded" else {})
