"""A folder a class: which of the folders on the way to an image names it."""

from collections import Counter
from pathlib import Path

from toolbox.errors import UserError

from ..groups import groups_by_pattern
from ..walk import in_mask_folder
from .parts import part_of, settle
from .raw import Entry, RawTree, Release
from .spelling import classnames

_SHOWN = 6


def folders(
    raw: RawTree, group_pattern: str = "", class_level: int | None = None, parts: str = "keep", masks: str = ""
) -> Release:
    """`<class>/...`, with folders named as parts (`Train`, `test_set`) above or below it; `_` in names becomes a blank.

    `class_level` says which folder below the download is the class: 1 the first, -1 the image's own, parts not counted.
    Without it there must be one reading that gives several classes. `group_pattern`: see `datasets.groups`.
    Raises UserError where there are two such readings or none, for images in no class folder and folders of masks alone.
    """
    if not masks:
        _refuse_folders_of_masks(raw)
    if not raw.images:
        raise UserError(f"no images found below {raw.root}" + _left_out(raw))
    where = {path: _place(raw, path) for path in raw.images}
    loose = [path for path, (_, above) in where.items() if not above]
    if loose:
        raise UserError(
            f"{len(loose)} images lie in no class folder below {raw.root}, first: {raw.relative(loose[0])}; "
            "expected <class>/<image>"
        )
    some = [part for part, _ in where.values() if part]
    if parts != "ignore" and 0 < len(some) < len(where):
        other = next(path for path, (part, _) in where.items() if not part)
        raise UserError(
            f"{raw.root} has class folders beside train, val or test ({raw.relative(other)} is in none); "
            "give --raw a folder of one kind, or divide all anew with --parts ignore"
        )
    level, note = _level([above for _, above in where.values()], class_level, raw.root)
    groups = groups_by_pattern(group_pattern, [raw.relative(path) for path in raw.images])
    names = classnames([_named(above, level) for _, above in where.values()])
    entries = [
        Entry(path, name, part, groups.get(raw.relative(path)))
        for name, (path, (part, _)) in zip(names, where.items(), strict=True)
    ]
    entries, notes = settle(entries, parts)
    return Release(entries, [note, *notes], own=True)


def _place(raw: RawTree, path: Path) -> tuple[str | None, tuple[str, ...]]:
    """The part an image is in, and the other folders on the way to it."""
    names = path.relative_to(raw.root).parts[:-1]
    found = {part for name in names if (part := part_of(name))}
    if len(found) > 1:
        raise UserError(f"{raw.relative(path)} lies in {' and in '.join(sorted(found))}; rename one of these folders")
    return next(iter(found), None), tuple(name for name in names if not part_of(name))


def _level(ways: list[tuple[str, ...]], asked: int | None, root: Path) -> tuple[int, str]:
    """The level to take and what to say of it; see `folders`."""
    shallow, deep = min(map(len, ways)), max(map(len, ways))
    if asked is not None:
        outside = sum(len(way) < abs(asked) for way in ways)
        if outside or not asked:
            raise UserError(
                f"--class-level {asked}: {outside or 'all'} of {len(ways)} images lie at 1 to {shallow} folders"
            )
        levels = [asked]
    else:
        levels = [*range(1, shallow + 1), *([-1] if deep > shallow else [])]
    count = {level: Counter(_named(way, level) for way in ways) for level in levels}
    several = {level: found for level, found in count.items() if len(found) > 1}
    if not several:
        only = next(iter(count[levels[-1]]))
        raise UserError(f"all {len(ways)} images below {root} are of one class, {only!r}; a data set needs two or more")
    if len(several) > 1:
        readings = ", ".join(f"--class-level {level} gives {_told(found)}" for level, found in several.items())
        raise UserError(f"folders lie in folders below {root}, and either may be the classes: {readings}; say which")
    level, found = next(iter(several.items()))
    return level, f"{_told(found)}, by the {_ordinal(level)}"


def _named(way: tuple[str, ...], level: int) -> str:
    return way[level - 1 if level > 0 else level]


def _told(found: Counter) -> str:
    names = ", ".join(sorted(found)[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
    return f"{len(found)} classes ({names})"


def _ordinal(level: int) -> str:
    return "image's own folder" if level == -1 else f"folder at level {level}"


def _refuse_folders_of_masks(raw: RawTree) -> None:
    with_images = {path.parent for path in raw.images}
    for path in raw.masks:
        if path.parent not in with_images and not in_mask_folder(path.relative_to(raw.root)):
            raise UserError(
                f"{raw.relative(path.parent)} holds nothing but files named like masks ({path.name}); "
                "give --masks keep if they are images, --masks drop if not"
            )


def _left_out(raw: RawTree) -> str:
    text = raw.found.left_out()
    return f"; left out: {text}" if text else ""
