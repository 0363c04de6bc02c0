"""Train, validation and test as a download names them."""

import re
from collections import Counter
from collections.abc import Sequence

from toolbox.errors import UserError

from .raw import Entry

HANDLINGS = ("keep", "ignore", "val-is-test")
_NAMES = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "tst"),
}
_PARTS = {name: part for part, names in _NAMES.items() for name in names}
_BESIDE = {"set", "data", "dataset", "images", "image", "img", "imgs", "folder", "split", "input"}
KNOWN = ", ".join(name for names in _NAMES.values() for name in names)


def part_of(name: str) -> str | None:
    """The part that a folder or a value is named for (`Train`, `test_set`, `valid`, `TrainingData`), or None."""
    first, *rest = re.split(r"[ _\-.]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip()).lower()) or [""]
    return _PARTS.get(first) if all(word in _BESIDE for word in rest) else None


def part_column(rows: list[dict[str, str]], taken: Sequence[str], table: str) -> str | None:
    """The column of a table that holds parts and nothing else, two of them at least; columns in `taken` are not looked at.

    Raises UserError where there are several.
    """
    found = []
    for name in (name for name in rows[0] if name and name not in taken):
        values = {part_of(value) for value in {row[name] for row in rows}}
        found += [name] if None not in values and len(values) > 1 else []
    if len(found) > 1:
        names = ", ".join(map(repr, found))
        raise UserError(f"{table}: columns {names} all hold train and test; say which counts with --part-column")
    return found[0] if found else None


def settle(entries: list[Entry], how: str) -> tuple[list[Entry], list[str]]:
    """Entries with the parts that count, and what to say of it; one part alone is no division, and is forgotten.

    `how`: "keep", "ignore" (divide anew), "val-is-test". Raises UserError where parts are kept but train or test is missing.
    """
    count = Counter(entry.part for entry in entries if entry.part)
    if how == "ignore" or not count:
        notes = [f"parts of the download are ignored: {_told(count)}"] if count else []
        return [entry._replace(part=None) for entry in entries], notes
    if len(count) == 1 and len(entries) == sum(count.values()):
        return [entry._replace(part=None) for entry in entries], [
            f"all images are in {next(iter(count))}: divided anew"
        ]
    if how == "val-is-test" and "test" not in count:
        entries = [entry._replace(part="test" if entry.part == "val" else entry.part) for entry in entries]
        return entries, ["the validation part is the test"]
    missing = [part for part in ("train", "test") if part not in count]
    if missing:
        hint = " --parts val-is-test takes val for it," if missing == ["test"] else ""
        raise UserError(
            f"the download has {_told(count)} but no {' and no '.join(missing)};{hint} --parts ignore divides all anew"
        )
    return entries, []


def _told(count: Counter) -> str:
    return ", ".join(f"{n} images of {part}" for part, n in sorted(count.items()))
