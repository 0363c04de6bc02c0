"""A table of files and labels, of any layout that its options describe."""

from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from toolbox.errors import UserError

from ..groups import NOBODY, group_column, groups_by_pattern
from .locate import Locator, fill
from .parts import KNOWN, part_column, part_of, settle
from .raw import Entry, RawTree, Release
from .spelling import classnames
from .tables import column, read_table

_FILE = (
    "path",
    "file",
    "filename",
    "filepath",
    "image",
    "image_path",
    "image_id",
    "image_name",
    "image_index",
    "image_file",
)
_FILE += ("img", "img_id", "img_path", "img_name")
_LABEL = ("label", "class", "classname", "class_name", "diagnosis", "diagnostic", "dx", "category", "target")
_LABEL += ("finding", "finding_labels")
_BITS = {"": False, "0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
_NO_LABEL = {"", "nan", "<na>"}


def csv_file(raw: RawTree, args: Namespace) -> Release:
    """A table with a row an image, or a folder of images: the file, its label, perhaps patient and part.

    `args` holds the options of `datasets.prepare.options`; columns that they do not name are looked for by usual names,
    patients too; a column of nothing but parts is one of parts. Raises UserError for a row that names no file or several,
    or has no label.
    """
    path = _find_table(raw, args.table)
    rows = read_table(path, args.columns)
    file = (
        None
        if args.path_template and "{}" not in args.path_template and "{:" not in args.path_template
        else _column(rows, path, "file", args.file_column, _FILE)
    )
    if args.part_column:
        part = column(rows, path.name, args.part_column)
    else:
        part = part_column(rows, [name for name in (file, args.label_column, args.group_column) if name], path.name)
    label, labels, notes = _labels(rows, path, args, [name for name in (file, part) if name])
    group, others = None, []
    if args.group_column:
        group = column(rows, path.name, args.group_column)
    elif not args.group_pattern:
        group, others = group_column(rows, [name for name in (file, part, label) if name])
    entries, missing, locator = [], [], Locator(raw, path)
    for row, classname in zip(rows, labels, strict=True):
        name = fill(args.path_template, row, file, path.name) if args.path_template else row[file or ""]
        found = locator.find(name)
        missing += [] if found else [name]
        where = _part(row[part], path, name) if part else None
        whom = row[group] if group and row[group].lower() not in NOBODY else None
        whom = name if not group and len(found) > 1 else whom  # a row is one thing, however many images show it
        entries += [Entry(image, classname, where, whom) for image in found]
    _check_missing(missing, rows, args.skip_missing, path, locator)
    entries = _with_pattern(raw, entries, args.group_pattern)
    notes.insert(
        0, f"columns of {path.name}: file {file or args.path_template!r}, label {label!r}, part {part or 'none'!r}"
    )
    notes.append(_told(entries, group, others) if not args.group_pattern else f"patients by {args.group_pattern!r}")
    if missing:
        notes.append(f"{len(missing)} of {len(rows)} rows name no file and were skipped, first: {missing[0]}")
    unnamed = len(set(raw.images) - {entry.file for entry in entries})
    if unnamed:
        notes.append(f"{unnamed} images of the download are in no row of {path.name}")
    entries, more = settle(entries, args.parts)
    return Release(entries, [*notes, *more], own=True, read=(path,))


def _labels(
    rows: list[dict[str, str]], path: Path, args: Namespace, taken: Sequence[str]
) -> tuple[str, list[str], list[str]]:
    """The label's column, the class name of each row, and what to say of them."""
    if args.one_hot is not None:
        return "one-hot", *_one_hot(rows, path, args.one_hot, taken)
    label = _column(rows, path, "label", args.label_column, _LABEL)
    bare = [number for number, row in enumerate(rows, 1) if row[label].lower() in _NO_LABEL]
    if bare:
        raise UserError(
            f"{path.name}: {len(bare)} of {len(rows)} rows have no label in column {label!r}, first: row {bare[0]}; "
            "take them out of the table"
        )
    several = sum("|" in row[label] for row in rows)
    notes = [f"{several} labels hold several findings ('a|b'); each combination is a class"] if several else []
    return label, classnames([row[label] for row in rows]), notes


def _one_hot(
    rows: list[dict[str, str]], path: Path, names: Sequence[str], taken: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The class name of each row of a table with a column of 0 and 1 a class (those in `names`, or all of this kind)."""
    if names:
        columns = [column(rows, path.name, name) for name in names]
    else:
        columns = [
            key for key in rows[0] if key and key not in taken and all(row[key].lower() in _BITS for row in rows)
        ]
    labels, wrong = [], []
    for number, row in enumerate(rows, 1):
        marked = [key for key in columns if _BITS.get(row[key].lower(), row[key])]
        labels.append(marked[0] if marked else "")
        if len(marked) != 1 or row[marked[0]].lower() not in _BITS:
            wrong.append(f"row {number} has {len(marked)} ({', '.join(marked)})")
    if wrong:
        raise UserError(
            f"{path.name}: {len(wrong)} of {len(rows)} rows are not of one class of {', '.join(columns) or 'none'}: "
            f"{wrong[0]}; name the columns of the classes after --one-hot, or take these rows out"
        )
    bare = [key for key in columns if key not in labels]
    return classnames(labels), [f"columns without a single 1 are no classes: {', '.join(bare)}"] if bare else []


def _column(rows: list[dict[str, str]], path: Path, kind: str, wanted: str, usual: Sequence[str]) -> str:
    if wanted:
        return column(rows, path.name, wanted)
    try:
        return column(rows, path.name, *usual)
    except UserError:
        more = "--one-hot for a column a class" if kind == "label" else "--path-template to make paths of other columns"
        raise UserError(
            f"{path.name} has no column of {kind}s under a usual name; its columns: {', '.join(rows[0])}. Name it with "
            f"--{kind}-column; give --columns NAME ... if its first line is no header, {more}"
        ) from None


def _part(value: str, table: Path, name: str) -> str:
    part = part_of(value)
    if part is None:
        raise UserError(f"{table.name}: part {value!r} of {name} is none of {KNOWN}")
    return part


def _check_missing(missing: list[str], rows: list, allowed: int, table: Path, locator: Locator) -> None:
    if len(missing) > allowed:
        skip = f"; --skip-missing {len(missing)} leaves them out" if len(missing) < len(rows) else ""
        raise UserError(
            f"{table.name}: {len(missing)} of {len(rows)} rows name no image below {locator.raw.root}, first: "
            f"{missing[0]!r}{locator.hint(missing[0])}{skip}"
        )


def _with_pattern(raw: RawTree, entries: list[Entry], pattern: str) -> list[Entry]:
    groups = groups_by_pattern(pattern, list(dict.fromkeys(raw.relative(entry.file) for entry in entries)))
    return [entry._replace(group=groups[raw.relative(entry.file)]) for entry in entries] if groups else entries


def _told(entries: list[Entry], group: str | None, others: Sequence[str]) -> str:
    if not group:
        rows = "images of one row's folder stay together, " if any(entry.group for entry in entries) else ""
        return f"no column of patients: {rows}images of one patient may be in two parts"
    count = Counter(entry.group for entry in entries)
    nobody = count.pop(None, 0)
    text = f"patients: column {group!r}, {len(count)} of {len(entries)} images"
    text += f" (not {', '.join(map(repr, others))})" if others else ""
    return text + (f"; {nobody} images have none there and count as patients of their own" if nobody else "")


def _find_table(raw: RawTree, table: str) -> Path:
    usual = [path for path in raw.others if path.suffix.lower() in (".csv", ".tsv")]
    if not table and len(usual) == 1:
        return usual[0]
    found = [path for path in raw.others if table in (raw.relative(path), path.name)] if table else usual
    if len(found) == 1:
        return found[0]
    if table and Path(table).expanduser().is_file():
        return Path(table).expanduser().resolve()
    lists = [path for path in raw.others if path.suffix.lower() in (".csv", ".tsv", ".txt")]
    names = ", ".join(raw.relative(path) for path in (found or lists)[:5]) or "no .txt either"
    raise UserError(f"{len(found)} csv files {table!r} below {raw.root} ({names}); name one with --table")
