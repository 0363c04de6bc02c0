"""A table compares methods only if they saw the same images through the same backbone and test transform."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from benchmark.configs import plain
from benchmark.jobs import UNTRAINED
from benchmark.results import Result
from datasets.quotas import with_draw
from toolbox.errors import UserError
from toolbox.seals import KEY

PLACE = {"DATASET.NUM_SHOTS", "DATASET.DRAW"}
"""What has tables of its own."""

OWN = {"SEED", "DATASET.SUBSAMPLE_CLASSES", "class names", "images", "weights tested", KEY}
"""What differs between the seeds, and between base and new classes, of one method; splits too."""

OF_CLASSES = {"class texts"}
"""What differs between base and new classes of one method, but not between its seeds."""

SHARED = {"format", "class names", "templates"}
"""What methods must have in common beside the settings of the data set."""


def unfair(results: list[Result]) -> list[str]:
    """What differs between the table's cells, a sentence each; empty where the comparison is fair.

    The test split must be one per data set and side (base, new), the training images one per data set, side, shots, draw
    and seed, shots and draws the same for all methods, and backbone weights and test transform the same throughout.
    Settings, rows and class texts must be the same for all seeds and both sides of a method, and the data set's settings for
    all methods. No two runs may claim one place.
    """
    problems = _missing(results) + _doubles(results)
    known = [r for r in results if r.split]
    trained = [r for r in known if r.method not in UNTRAINED]
    problems += _differ(known, "backbone weights", lambda r: r.backbone_hash, lambda r: "")
    problems += _differ(
        known,
        "rows or class texts",
        lambda r: f"{(r.rows or {}).get('kind', '')} {(r.rows or {}).get('file', '')} {r.class_text}",
        lambda r: f" among runs of {r.method}, {r.variant}, on {r.dataset}",
    )
    problems += _differ(known, "test transforms", lambda r: r.transform, lambda r: "")
    problems += _differ(known, "test splits", lambda r: r.split.get("test"), _cell)
    problems += _differ(
        trained,
        "training images",
        lambda r: r.split.get("fewshot") or r.split.get("train"),
        lambda r: _cell(r, seed=True),
    )
    problems += _differ(trained, "image files", lambda r: r.fingerprint.get("images"), lambda r: _cell(r, seed=True))
    return problems + _unequal_shots(trained) + _settings(known)


def require_fair(results: list[Result], allow: bool) -> list[str]:
    """Raise UserError with the first reasons unless `allow`; the reasons, to be printed under the table."""
    problems = unfair(results)
    if problems and not allow:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UserError(f"not comparable in one table: {problems[0]}{more}; leave runs out, or override with --allow")
    return problems


def _missing(results: Iterable[Result]) -> list[str]:
    logs = [r for r in results if not r.split]
    earlier = [r for r in results if r.split and not r.fingerprint]
    said = []
    if logs:
        said.append(
            f"{len(logs)} run(s) left only a log.txt, which does not say which images were used: {logs[0].folder}"
        )
    if earlier:
        said.append(
            f"{len(earlier)} run(s) were made by an earlier version, which did not write down all settings: "
            f"{earlier[0].folder} (run them again with --again)"
        )
    return said


def _settings(results: list[Result]) -> list[str]:
    """Settings that differ between the seeds or sides of one method's row, or of the data set between methods."""
    problems = []
    for here in _grouped(results, lambda r: (r.method, r.variant, r.backbone, r.dataset, r.shots, r.draw, r.source)):
        for name in _names(here, lambda name: name not in OWN and not name.startswith("split (")):
            side = name in OF_CLASSES
            problems += _differ(
                here,
                name,
                lambda r, name=name: r.fingerprint[name],
                lambda r, side=side: f" between runs of {r.method}" + (f" ({r.subset})" if side else ""),
            )
    for here in _grouped([r for r in results if not _is_variant(r)], lambda r: (r.dataset, r.subset, r.source)):
        for name in _names(here, lambda name: name in SHARED or (name.startswith("DATASET.") and name not in PLACE)):
            problems += _differ(here, name, lambda r, name=name: r.fingerprint[name], _cell)
    return list(dict.fromkeys(problems))


def _is_variant(result: Result) -> bool:
    """Whether the row says that the method was run otherwise (METHOD:VARIANT of a plan), which may concern the data too."""
    return result.variant not in (result.cfg, f"{result.cfg}-{plain(str(result.backbone))}")


def _grouped(results: Iterable[Result], key: Callable[[Result], tuple]) -> list[list[Result]]:
    groups: dict[tuple, list[Result]] = defaultdict(list)
    for r in results:
        if r.fingerprint:
            groups[key(r)].append(r)
    return list(groups.values())


def _names(results: list[Result], wanted: Callable[[str], bool]) -> list[str]:
    """Settings that all of them have: what came with a later version is not compared here."""
    return sorted(filter(wanted, set.intersection(*(set(r.fingerprint) for r in results))))


def _cell(result: Result, seed: bool = False) -> str:
    where = f" on {result.dataset} ({result.subset})"
    return f"{where}, {_shots(result)}, seed {result.seed}" if seed else where


def _differ(results: Iterable[Result], what: str, value, group) -> list[str]:
    groups: dict[str, dict[str, Result]] = defaultdict(dict)
    for result in results:
        groups[group(result)].setdefault(str(value(result)), result)
    problems = []
    for where, found in groups.items():
        if len(found) > 1:
            pair = list(found)[:2]
            named = [f"{text} in {found[whole].folder}" for text, whole in zip(_short(*pair), pair, strict=True)]
            problems.append(f"{what} differ{where}: {' but '.join(named)}")
    return problems


def _unequal_shots(results: Iterable[Result]) -> list[str]:
    """Methods without a number of shots, or a draw, in common; those with some have a table for each of them."""
    shots: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for r in results:
        shots[r.dataset, r.subset][r.method].add(with_draw(str(r.shots), r.draw))
    problems = []
    for (dataset, subset), methods in shots.items():
        if not set.intersection(*methods.values()):
            said = ", ".join(f"{m}: {'/'.join(sorted(s))}" for m, s in methods.items())
            problems.append(f"shots differ on {dataset} ({subset}): {said}")
    return problems


def _doubles(results: Iterable[Result]) -> list[str]:
    """Runs that would share a cell and a seed, so that one would hide the other."""
    seen: dict[tuple, Result] = {}
    problems = []
    for r in results:
        key = (r.method, r.variant, r.backbone, r.dataset, r.source, r.subset, r.shots, r.draw, r.seed)
        if key in seen:
            problems.append(
                f"two runs of {r.method} on {r.dataset} ({r.subset}), seed {r.seed}: {seen[key].folder} and {r.folder}"
            )
        seen[key] = r
    return problems


def _shots(result: Result) -> str:
    return (
        "full training set"
        if result.shots == -1
        else with_draw(f"{result.shots} shots", result.draw).replace("_", ", ")
    )


def _short(*texts: str) -> list[str]:
    """Texts that differ, of those that are long the first characters, or the place where words begin to differ."""
    if all(len(text) <= 40 for text in texts):
        return list(texts)
    if not any(" " in text for text in texts):
        return [text if len(text) <= 40 else text[:12] + "..." for text in texts]
    differ = next((i for i, here in enumerate(zip(*texts, strict=False)) if len(set(here)) > 1), min(map(len, texts)))
    first = max(differ - 20, 0)
    return [
        ("..." if first else "") + text[first : first + 80] + ("..." if len(text) > first + 80 else "")
        for text in texts
    ]
