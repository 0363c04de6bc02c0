"""Any data set: a folder a class, or a table of files and labels."""

from pathlib import Path

from toolbox.errors import UserError

from ..groups import group_finder
from .raw import Entry, RawTree, Release, column, read_table

_NAMES = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
_PARTS = {name: part for part, names in _NAMES.items() for name in names}
_FILE = ("path", "file", "filename", "image", "image_path", "image_id", "filepath")
_LABEL = ("label", "class", "classname", "class_name", "diagnosis", "category", "target")


def folders(raw: RawTree, group_pattern: str = "") -> Release:
    """`<class>/...` or `{train,val,test}/<class>/...`; `_` in folder names becomes a blank.

    `group_pattern` is a regular expression whose first bracket finds the patient in a file name.
    """
    group_of = group_finder(group_pattern)
    entries = []
    for path in raw.images:
        below = list(path.relative_to(raw.root).parts[:-1])
        part = _PARTS.get(below[0].lower()) if len(below) > 1 else None
        if part:
            below = below[1:]
        if not below:
            raise UserError(f"{path.name} lies in no class folder below {raw.root}; expected <class>/<image>")
        entries.append(Entry(path, below[0].replace("_", " ").strip(), part, group_of(path)))
    parts = {entry.part for entry in entries}
    if None in parts and len(parts) > 1:
        raise UserError(f"{raw.root} has class folders beside train, val or test; give --raw a folder of one kind")
    return Release(entries)


def csv_file(
    raw: RawTree,
    table: str = "",
    file_column: str = "",
    label_column: str = "",
    group_column: str = "",
    part_column: str = "",
) -> Release:
    """A csv with a column of image files and one of labels (names), perhaps one of patients and one of parts.

    Columns that are not named are looked for by usual names; parts only where `part_column` names them.
    """
    path = _find_table(raw, table)
    rows = read_table(path)
    image = column(rows, path.name, *([file_column] if file_column else _FILE))
    label = column(rows, path.name, *([label_column] if label_column else _LABEL))
    group = _optional(
        rows, path.name, group_column, ("group", "patient", "patient_id", "patientid", "lesion_id", "subject")
    )
    part = column(rows, path.name, part_column) if part_column else None
    entries = []
    for row in rows:
        where = _PARTS.get(row[part].lower()) if part else None
        if part and where is None:
            raise UserError(f"{path.name}: part {row[part]!r} of {row[image]} is none of {', '.join(_PARTS)}")
        if not row[label]:
            raise UserError(f"{path.name}: {row[image]!r} has no label in column {label!r}")
        entries.append(Entry(raw.image(row[image]), row[label].replace("_", " "), where, row[group] if group else None))
    used = (
        f"columns of {path.name}: file {image!r}, label {label!r}, patient {group or 'none'!r}, part {part or 'none'!r}"
    )
    return Release(entries, [used])


def _optional(rows: list[dict[str, str]], name: str, wanted: str, usual: tuple[str, ...]) -> str | None:
    if wanted:
        return column(rows, name, wanted)
    return next((key for key in rows[0] if key.lower() in usual), None)


def _find_table(raw: RawTree, table: str) -> Path:
    found = [path for path in raw.files if path.suffix.lower() in (".csv", ".tsv")]
    if table:
        found = [path for path in found if raw.relative(path) == table or path.name == table]
    if len(found) != 1:
        names = ", ".join(raw.relative(path) for path in found[:5])
        raise UserError(f"{len(found)} csv files {table!r} below {raw.root} ({names}); name one with --table")
    return found[0]
