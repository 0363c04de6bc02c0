"""Labels, classes and patients of a split, against itself and against the table of data sets."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from ..facts import Facts
from ..split import PARTS, Split, plain_name
from .report import Report


def check_labels(split: Split, facts: Facts, report: Report) -> None:
    """Class names and counts against the table, parts without a class, images whose folder names another class."""
    names = split.classnames
    counts = {part: Counter(item.classname for item in split.part(part)) for part in PARTS}
    report.facts["images"] = {name: {part: counts[part][name] for part in PARTS} for name in names}
    if len(names) == 1:
        report.fault("one class", f"all images are of one class, {names[0]!r}; there is nothing to tell apart")
    if facts.classnames:
        _compare_names(names, facts, report)
    wordless = [name for name in names if _is_no_word(name)]
    if wordless:
        report.warn("class names", f"a text encoder can make nothing of {', '.join(map(repr, wordless))}")
    for part in ("val", "test"):
        bare = [name for name in names if split.part(part) and not counts[part][name]]
        if bare:
            report.warn("class without images", f"{part} has no image of {', '.join(bare)}")
    sizes = tuple(len(split.part(part)) for part in PARTS)
    if facts.sizes and sizes != facts.sizes:
        report.warn("sizes", f"train/val/test are {_slashes(sizes)}, published {_slashes(facts.sizes)}")
    _compare_folders(split, report)


def check_groups(split: Split, groups: Mapping[str, str], report: Report) -> None:
    """Patients (or lesions) with images in two parts; `groups` maps paths to them."""
    parts: dict[str, set[str]] = defaultdict(set)
    files: dict[str, list[str]] = defaultdict(list)
    for part in PARTS:
        for item in split.part(part):
            group = groups.get(item.path)
            if group is not None:
                parts[group].add(part)
                files[group].append(item.path)
    report.facts["patients"] = len(parts)
    if len(files) > 1 and max(map(len, files.values())) == 1:
        say = report.warn if split.meta.get("division") == "official" else report.fault
        say("patients", f"all {len(files)} images have a patient of their own: these groups keep nothing together")
    torn = sorted(group for group, found in parts.items() if len(found) > 1)
    if torn:
        first = f"{torn[0]} in {' and '.join(sorted(parts[torn[0]]))}"
        report.fault(
            "patient in two parts", f"{len(torn)} patients, first {first}", [f for group in torn for f in files[group]]
        )


def _compare_names(names: list[str], facts: Facts, report: Report) -> None:
    known = [plain_name(name) for name in facts.classnames]
    found = [plain_name(name) for name in names]
    if len(found) != len(known):
        report.fault("classes", f"{len(found)} classes, the table has {len(known)} ({', '.join(facts.classnames)})")
    strange = [name for name in names if plain_name(name) not in known]
    if strange:
        report.warn("class names", f"not in the table: {', '.join(strange)}")
    elif found != known and len(found) == len(known):
        report.warn("class order", f"{', '.join(names)}; the table has {', '.join(facts.classnames)}")


def _compare_folders(split: Split, report: Report) -> None:
    classes = {plain_name(name) for name in split.classnames}
    wrong = []
    for part in PARTS:
        for item in split.part(part):
            named = {plain_name(folder) for folder in item.path.split("/")[:-1]} & classes
            if named and plain_name(item.classname) not in named:
                wrong.append(item.path)
    if wrong:
        report.fault("wrong label", f"{len(wrong)} images lie in the folder of another class than their label's", wrong)


def _is_no_word(name: str) -> bool:
    try:
        float(name)  # takes "nan" too
    except ValueError:
        return plain_name(name) in ("none", "null", "n/a", "<na>", "unnamed")
    return True


def _slashes(sizes: tuple[int, int, int]) -> str:
    return "/".join(map(str, sizes))
