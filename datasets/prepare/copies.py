"""Images that are in a download several times: equal files (SHA-256) under different names."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from toolbox.errors import UserError

from ..split import Item

HANDLINGS = ("together", "keep", "drop")


def find_copies(sums: Mapping[str, str]) -> list[list[str]]:
    """Paths of equal files, by the first of each; `sums` maps paths to SHA-256."""
    same: dict[str, list[str]] = defaultdict(list)
    for path in sorted(sums):
        same[sums[path]].append(path)
    return [paths for paths in same.values() if len(paths) > 1]


def drop_copies(copies: Iterable[list[str]], items: Mapping[str, Item], official: Mapping[str, str]) -> set[str]:
    """Paths to leave out: all copies but one, that of the test where there is one; all, where their labels differ."""
    dropped: set[str] = set()
    for paths in copies:
        if len({items[path].label for path in paths}) > 1:
            dropped.update(paths)
        else:
            kept = next((path for path in paths if official.get(path) == "test"), paths[0])
            dropped.update(path for path in paths if path != kept)
    return dropped


def contradictions(copies: Iterable[list[str]], items: Mapping[str, Item]) -> list[list[str]]:
    """Those of `copies` that stand under several labels."""
    return [paths for paths in copies if len({items[path].label for path in paths}) > 1]


def judge_copies(
    copies: list[list[str]], items: Mapping[str, Item], official: Mapping[str, str], how: str, own: bool
) -> list[str]:
    """What to say of `copies` that stay in the data set.

    Raises UserError where `own` data kept "together" has copies in two parts of its own division.
    """
    if not copies:
        return []
    torn = [paths for paths in copies if len({official.get(path) for path in paths}) > 1]
    disagree = contradictions(copies, items)
    if torn and own and how == "together":
        raise UserError(
            f"{len(torn)} sets of equal files are in two parts, first {' = '.join(torn[0][:2])}; --duplicates drop leaves "
            "out all but one of each, --duplicates keep lets them be, --parts ignore divides anew"
        )
    notes = [f"{sum(map(len, copies))} images are copies of one another ({len(copies)} sets)"]
    if how == "together" and not official:
        notes[0] += "; copies stay in one part"
    for wrong, what in (
        (disagree, "have different labels (--duplicates drop leaves them out)"),
        (torn, "are in two parts"),
    ):
        if wrong:
            notes.append(f"{len(wrong)} sets of copies {what}, first {' = '.join(wrong[0][:2])}")
    return notes


def join_copies(groups: Mapping[str, str], copies: Iterable[list[str]]) -> tuple[dict[str, str], dict[str, str]]:
    """Groups to divide by, in which copies and the patients they show are one; and groups to write down.

    Those to write down are the patients, and a name for copies that show nobody known.
    """
    above: dict[str, str] = {}

    def top(name: str) -> str:
        while name in above:
            name = above[name]
        return name

    written = dict(groups)
    for paths in copies:
        name = next((groups[path] for path in paths if path in groups), f"copies of {paths[0]}")
        for path in paths:
            written.setdefault(path, name)
        first, *rest = dict.fromkeys(top(written[path]) for path in paths)
        above.update(dict.fromkeys(rest, first))
    return {path: top(group) for path, group in written.items()}, written
