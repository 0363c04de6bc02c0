"""Tables and JSON files of a download, as text."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolbox.errors import UserError
from toolbox.plain import parse_json

_LOOKED_AT = 20  # lines that tell what stands between columns


def read_table(path: Path, names: Sequence[str] = ()) -> list[dict[str, str]]:
    """Rows of a text table with `,`, `;`, tab, `|` or blanks between columns; names and values without blanks around them.

    `names` are those of the columns where the table has no line for them. Empty lines are passed over.
    Raises UserError for a file that is no text or has no rows, a line with more values than columns, and two columns of
    one name.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as text ({type(error).__name__}); save it as UTF-8 csv") from None
    try:
        lines = _lines(text)
    except csv.Error as error:
        raise UserError(f"{path} is no csv ({error}); save it again as UTF-8 csv") from None
    head = list(names) if names else lines.pop(0)[1] if lines else []
    if not lines:
        raise UserError(f"{path} has no rows")
    doubled = next((name for name in head if name and head.count(name) > 1), None)
    if doubled:
        raise UserError(f"{path} has two columns {doubled!r}; rename one")
    for number, row in lines:
        if len(row) > len(head) or (names and len(row) < len(head)):
            raise UserError(
                f"{path}: line {number} has {len(row)} values for {len(head)} columns ({', '.join(head)}); "
                "put quotes around values with separators in them, or name the columns with --columns"
            )
    return [dict(zip(head, row + [""] * (len(head) - len(row)), strict=True)) for _, row in lines]


def column(rows: list[dict[str, str]], path: str, *names: str) -> str:
    """The column of a table that is called one of `names`, in any case, with or without blanks and `_`.

    Raises UserError with the table's columns if there is none.
    """
    for same in (str.lower, compact):
        for name in names:
            for key in rows[0]:
                if key and same(key) == same(name):
                    return key
    raise UserError(f"{path} has no column {' or '.join(repr(n) for n in names)}; its columns: {', '.join(rows[0])}")


def compact(name: str) -> str:
    """A column's name without case and anything but letters and digits."""
    return re.sub(r"[\W_]+", "", name.lower())


def read_json(path: Path) -> Any:
    try:
        return parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        raise UserError(f"{path} is not JSON; download it again") from None


def _lines(text: str) -> list[tuple[int, list[str]]]:
    """(line number, values) of each line with something in it."""
    told = re.match(r"sep=(.)\r?\n", text)  # Excel's own line
    text = text[told.end() :] if told else text
    delimiter = told.group(1) if told else _delimiter([line for line in text.splitlines() if line.strip()][:_LOOKED_AT])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    lines = []
    for row in reader:
        values = [value.strip() for value in row]
        values = [value for value in values if value] if delimiter == " " else values
        if any(values):
            lines.append((reader.line_num + bool(told), values))
    return lines


def _delimiter(lines: list[str]) -> str:
    """What stands between columns: the sign that cuts these lines into equally many, and then the most, values."""

    def cuts(sign: str) -> tuple[bool, int]:
        counts = [len(next(csv.reader([line], delimiter=sign))) - 1 for line in lines]
        return min(counts) == max(counts) > 0, counts[0]

    found = {sign: cuts(sign) for sign in ",;\t|"} if lines else {}
    best = max(found, key=found.__getitem__, default=",")
    return best if lines and found[best][1] else " "
