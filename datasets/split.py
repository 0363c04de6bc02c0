"""The split file in CoOp's JSON: which images train, validate and test, with labels and class names."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from toolbox.errors import UserError
from toolbox.files import atomic_json
from toolbox.plain import parse_json
from toolbox.seals import KEY, check_seal, seal
from toolbox.words import is_plain

PARTS = ("train", "val", "test")
MAX_BYTES = 512 << 20


class Item(NamedTuple):
    """One line of a split: path below the image folder (with `/`), label from 0, class name."""

    path: str
    label: int
    classname: str


@dataclass
class Split:
    """The three parts, each ordered by (label, path), and what the file says besides.

    `groups` maps paths to a patient or lesion; images of one group belong in one part. `meta` is provenance. `sums` maps
    paths to the SHA-256 of the image file, and images that have one are checked when they are read.
    """

    train: list[Item]
    val: list[Item]
    test: list[Item]
    groups: dict[str, str] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)

    def part(self, name: str) -> list[Item]:
        return getattr(self, name)

    @property
    def classnames(self) -> list[str]:
        """Class names in label order."""
        names = {item.label: item.classname for part in PARTS for item in self.part(part)}
        return [names[label] for label in sorted(names)]


def read_split(path: str | Path) -> Split:
    """Read and validate a split file; `val` may be absent or empty.

    Raises UserError if it is missing, not JSON, not of the shape `{"train": [[path, label, class name], ...], ...}`,
    empty, if labels do not run from 0, a label has two names or two labels names that differ in case, blanks, `_` or `-`
    alone, or if an image has two labels or is both in train and in test; and if it has a seal (`write_split` sets one) and
    is not as it was sealed.
    """
    path = Path(path)
    try:
        found = path.stat()
    except OSError:
        return _read(path)  # which says what is wrong
    read = _read_once(path, (found.st_mtime_ns, found.st_size, found.st_ino))
    return Split(*(list(read.part(name)) for name in PARTS), dict(read.groups), dict(read.meta), dict(read.sums))


@lru_cache(maxsize=4)
def _read_once(path: Path, version: tuple[int, ...]) -> Split:
    """A sweep's runs read the same file; a large one takes seconds."""
    return _read(path)


def _read(path: Path) -> Split:
    content = _read_json(path)
    check_seal(content, path, f'restore it; if it is you who edited it, remove its key "{KEY}"')
    parts = {name: _items(path, name, content.get(name, [])) for name in PARTS}
    for name in ("train", "test"):
        if not parts[name]:
            raise UserError(f"{path}: part {name!r} is empty; a split needs images to train and to test on")
    _check_labels(path, parts)
    _check_images(path, parts)
    leaked = {item.path for item in parts["train"]} & {item.path for item in parts["test"]}
    if leaked:
        raise UserError(
            f"{path}: {len(leaked)} images are in train and in test, first: {', '.join(sorted(leaked)[:3])}"
        )
    groups, meta, sums = (content.get(key) or {} for key in ("groups", "meta", "sums"))
    if not all(isinstance(value, dict) for value in (groups, meta, sums)):
        raise UserError(f"{path}: 'groups', 'meta' and 'sums' must be JSON objects")
    groups, sums = ({str(k): str(v) for k, v in value.items()} for value in (groups, sums))
    return Split(**parts, groups=groups, meta=meta, sums=sums)


def write_split(path: str | Path, split: Split) -> None:
    """Write the split file, whole or not at all, with a seal; CoOp's own readers ignore the keys they do not know."""
    content: dict[str, Any] = {name: [list(item) for item in ordered(split.part(name))] for name in PARTS}
    if split.groups:
        content["groups"] = dict(sorted(split.groups.items()))
    if split.meta:
        content["meta"] = split.meta
    if split.sums:
        content["sums"] = dict(sorted(split.sums.items()))
    atomic_json(path, seal(content))


def ordered(items: Iterable[Item]) -> list[Item]:
    """Items by (label, path), so that equal splits are equal runs, whatever the order of their files."""
    return sorted(items, key=lambda item: (item.label, item.path))


def plain_name(name: str) -> str:
    """A class name without case, `_`, `-` and doubled blanks, to compare names by."""
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def part_id(items: Iterable[Item]) -> str:
    """SHA-256 (hex) over class names, labels and file names of one part, whatever its order; "" for no images."""
    lines = [[item.classname, item.label, item.path] for item in ordered(items)]
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest() if lines else ""


def split_id(split: Split) -> dict[str, str]:
    """Identity of each part (`part_id`)."""
    return {name: part_id(split.part(name)) for name in PARTS}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES >> 20} MB, which no split file is")
        content = parse_json(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"split file {path} is missing; make it with `python -m cilmp data prepare`") from None
    except OSError as error:
        raise UserError(f"split file {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise UserError(f"{path} is not JSON; make it again or restore it") from None
    if not isinstance(content, dict) or "train" not in content or "test" not in content:
        raise UserError(
            f'{path}: a split file is {{"train": [...], "val": [...], "test": [...]}}; train or test is missing'
        )
    return content


def _items(path: Path, part: str, rows: Any) -> list[Item]:
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise UserError(f"{path}: part {part!r} is not a list of [path, label, class name]")
    return ordered(_item(path, f"{part}[{index}]", row) for index, row in enumerate(rows))


def _item(path: Path, where: str, row: Any) -> Item:
    if not (isinstance(row, list) and len(row) == 3):
        raise UserError(f"{path}: {where} is not [path, label, class name]")
    image, label, classname = row
    if isinstance(label, str) and label.isascii() and label.isdigit() and len(label) < 10:
        label = int(label)
    if not isinstance(image, str) or not image or "\0" in image or not _is_text(image):
        raise UserError(f"{path}: the path of {where} is not a file name")
    if isinstance(label, bool) or not isinstance(label, int) or label < 0:
        raise UserError(f"{path}: the label of {where} is {label!r}; labels are whole numbers from 0")
    if not isinstance(classname, str) or not classname.strip():
        raise UserError(f"{path}: the class name of {where} is empty or no text")
    if not is_plain(classname):
        raise UserError(
            f"{path}: the class name of {where}, {classname!r}, has characters that cannot be shown; mend it"
        )
    image = image.replace("\\", "/")
    return Item(image if image.startswith("/") else str(PurePosixPath(image)), label, classname)


def _is_text(text: str) -> bool:
    """Whether it can be written: JSON can hold halves of characters, file systems and terminals cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_labels(path: Path, parts: Mapping[str, list[Item]]) -> None:
    names: dict[int, str] = {}
    for items in parts.values():
        for item in items:
            if names.setdefault(item.label, item.classname) != item.classname:
                raise UserError(
                    f"{path}: label {item.label} has two class names, {names[item.label]!r} and {item.classname!r}"
                )
    if sorted(names) != list(range(len(names))):
        missing = next(label for label in range(len(names) + 1) if label not in names)
        raise UserError(f"{path}: labels must run from 0 without gaps; label {missing} has no image")
    untrained = sorted(set(names) - {item.label for item in parts["train"]})
    if untrained:
        raise UserError(f"{path}: class {names[untrained[0]]!r} (label {untrained[0]}) has no image in train")
    plain: dict[str, str] = {}
    for name in names.values():
        other = plain.setdefault(plain_name(name), name)
        if list(names.values()).count(name) > 1:
            raise UserError(f"{path}: two labels share the class name {name!r}")
        if other != name:
            raise UserError(
                f"{path}: {other!r} and {name!r} are one name to a text encoder; rename one, or make them one"
            )


def _check_images(path: Path, parts: Mapping[str, list[Item]]) -> None:
    seen: dict[str, Item] = {}
    for items in parts.values():
        for item in items:
            other = seen.setdefault(item.path, item)
            if other.label != item.label:
                raise UserError(
                    f"{path}: image {item.path} is {other.classname!r} and {item.classname!r}; an image has one label"
                )
