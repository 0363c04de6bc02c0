"""Finding the patient in a file's path, or among the columns of a table."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePath

from toolbox.errors import UserError

_NUMBERED = (
    "(ids?|nos?|num|numbers?|nr|names?|codes?|keys?|uids?|hash|index|identifiers?|instanceuid|anon|anonymi[sz]ed)*"
)
_KINDS = {  # in the order of choice: what a patient has several of comes after the patient
    "patient": "(anon|deid|dicom|id|empi)*(patients?|pat|subjects?|subj|persons?|participants?|individual|donor|mrn|pid|empi)",
    "group": "(id)?groups?",
    "case": "(id)?cases?",
    "eye": "(id)?eyes?",
    "lesion": "(id)?(lesions?|nodules?)",
    "slide": "(id)?(slides?|specimens?|videos?)",
    "study": "(id)?(stud(y|ies)|exams?|examinations?|accessions?)",
    "series": "(id)?series",
}
_SIDES = {"l", "r", "left", "right", "od", "os", "ou", "both", "0", "1", "yes", "no", "true", "false", "control", ""}
NOBODY = {"", "nan", "none", "null", "na", "n/a", "<na>", "unknown", "?"}


def group_finder(pattern: str) -> Callable[[str | PurePath], str | None]:
    """A function from a path to what the first filled bracket of `pattern` finds in the whole of it, with `/`; else None.

    An empty pattern finds nothing anywhere. Raises UserError if `pattern` is no regular expression or has no bracket.
    """
    if not pattern:
        return lambda path: None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"--group-pattern {pattern!r} is no regular expression ({error})") from None
    if compiled.groups < 1:
        raise UserError(f"--group-pattern {pattern!r} has no bracket; write for example '(person[0-9]+)_'")

    def find(path: str | PurePath) -> str | None:
        found = compiled.search(path.as_posix() if isinstance(path, PurePath) else path)
        return next(filter(None, found.groups()), None) if found else None

    return find


def groups_by_pattern(pattern: str, paths: Collection[str]) -> dict[str, str]:
    """What `pattern` finds in each of `paths`; nothing for no pattern.

    Raises UserError if it finds nothing in some of them (how many, and the first), or the same in all.
    """
    if not pattern:
        return {}
    find = group_finder(pattern)
    groups = {path: group for path in paths if (group := find(path))}
    if len(groups) < len(paths):
        first = next(path for path in paths if path not in groups)
        raise UserError(
            f"--group-pattern {pattern!r} finds no patient in {len(paths) - len(groups)} of {len(paths)} images, first: "
            f"{first}; it is searched in the whole path, and (a|b) takes in two ways of writing"
        )
    if len(set(groups.values())) == 1 < len(paths):
        same = next(iter(groups.values()))
        raise UserError(f"--group-pattern {pattern!r} finds the same, {same!r}, in all {len(paths)} images")
    return groups


def group_column(rows: list[dict[str, str]], taken: Collection[str] = ()) -> tuple[str | None, list[str]]:
    """The column of a table that tells whom images show, and further ones that would do; (None, []) for none.

    Columns that are `taken` for something else are not looked at. A patient goes before a case, an eye, a lesion, a study
    and a series, which a patient may have several of.
    """
    names = []
    for kind, form in _KINDS.items():
        for name in rows[0]:
            values = {row[name].lower() for row in rows}
            says_nobody = values <= NOBODY or (kind != "patient" and values <= _SIDES)
            plain = re.sub(r"[\W_]+", "", name.lower())
            if name not in taken and re.fullmatch(f"(?:{form}){_NUMBERED}", plain) and not says_nobody:
                names.append(name)
    return (names[0], names[1:]) if names else (None, [])


def alone(groups: Mapping[str, str]) -> bool:
    """Whether there are several groups, each of one image: groups that keep nothing together."""
    return len(groups) > 1 and max(Counter(groups.values()).values()) == 1
