"""What the rows contribute: CILMP with its own rows against each control, class by class."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmark.results import Result
from benchmark.tables import Cell, Table, labels, unique

SUBJECT = "CILMP"
RESAMPLES = 10_000
SIDES = {"new": "new classes, never trained on", "base": "base classes", "all": "all classes"}

# What a lead over the control says, and what falling behind it does.
MEANINGS = {
    "shuffled": ("what the rows say of a class is used", "rows of another class do better"),
    "random": ("rows do more than tell classes apart", "rows that say nothing do better"),
    "none": ("rows help", "rows are in the way"),
    "bag_of_words": ("the language model adds to the words that it read", "the bare words do better"),
    "planted": (
        "these rows carry more than the CLIP's own text features",
        "better rows would help: all that the CLIP knows",
    ),
    "description": (
        "the way through rows beats the same text as class name",
        "the same text as class name does better",
    ),
    "plain": (
        "rows beat plain words, which the CLIP understands",
        "plain words, which the CLIP understands, do better",
    ),
    "other file": (
        "these rows are easier to use than those of the other file",
        "rows of the other file are easier to use",
    ),
}


@dataclass(frozen=True)
class Contribution:
    """CILMP minus a control on one data set and side, in points of class accuracy, averaged over classes and seeds."""

    dataset: str
    subset: str
    other: str
    kind: str
    """Key of MEANINGS."""
    value: float
    low: float
    high: float
    better: int
    worse: int
    classes: int
    seeds: int

    def sentence(self) -> str:
        gain, loss = MEANINGS[self.kind]
        verdict = gain if self.low > 0 else loss if self.high < 0 else f"not shown that {gain}"
        return (
            f"{self.dataset}, {SIDES[self.subset]}: {SUBJECT} - {self.other} = {self.value:+.1f} points "
            f"(95 % interval {self.low:+.1f} to {self.high:+.1f} over {_count(self.classes, 'class', 'classes')} and "
            f"{_count(self.seeds, 'seed', 'seeds')}; {self.better} better, {self.worse} worse): {verdict}"
        )


def contributions(results: list[Result]) -> list[Contribution]:
    """Every comparison of CILMP with a control that the runs allow; none where CILMP has no run with its own rows.

    The interval is a bootstrap over classes and seeds, both drawn again with replacement, the same for both methods: it
    speaks of other classes and other trainings. With few of either it is too narrow.
    """
    found = []
    for dataset, subset, shots in unique((r.dataset, r.subset, r.shots) for r in results if r.source is None):
        here = class_accuracies([r for r in results if r.source is None], dataset, subset, shots)
        if SUBJECT not in here:
            continue
        ours, _ = here.pop(SUBJECT)
        for label, (theirs, kind) in here.items():
            seeds = sorted(ours.keys() & theirs.keys())
            if kind in MEANINGS and seeds:
                difference = np.stack([ours[s] - theirs[s] for s in seeds])
                found.append(_contribution(difference, dataset, subset, label, kind))
    return sorted(found, key=lambda c: (c.dataset, list(SIDES).index(c.subset), list(MEANINGS).index(c.kind)))


def class_accuracies(
    results: list[Result], dataset: str, subset: str, shots: int | None
) -> dict[str, tuple[dict[int, np.ndarray], str]]:
    """{row label: ({seed: (classes,) accuracies in percent}, kind of control or "")} of CILMP and what it is compared with."""
    found = {}
    for label, runs in labels(results).items():
        untrained = label.startswith("ZeroshotCLIP")
        chosen = [r for r in runs if (r.dataset, r.subset) == (dataset, subset) and (untrained or r.shots == shots)]
        chosen = [r for r in chosen if r.metrics.get("per_class")]
        if chosen:
            accuracies = {r.seed: np.array(list(r.metrics["per_class"].values())) for r in chosen}
            found[label] = (accuracies, _kind(label, chosen[0]))
    sizes = {len(a) for runs, _ in found.values() for a in runs.values()}
    return found if len(sizes) == 1 else {}


def contribution_table(found: list[Contribution], dataset: str) -> Table:
    """A row a control: the difference on each side, and its interval."""
    chosen = [c for c in found if c.dataset == dataset]
    sides = [side for side in SIDES if any(c.subset == side for c in chosen)]
    rows = []
    for other in unique(c.other for c in chosen):
        mine = {c.subset: c for c in chosen if c.other == other}
        cells = [(mine[side].value, mine[side].low, mine[side].high) if side in mine else (None,) * 3 for side in sides]
        rows.append((f"{SUBJECT} - {other}", [Cell(value) for side in cells for value in side]))
    columns = [f"{side.capitalize()}{part}" for side in sides for part in ("", ": low", ": high")]
    return Table(f"{dataset}: what the rows contribute (points of class accuracy, 95 % interval)", columns, rows)


def chance(results: list[Result], dataset: str, subset: str) -> float:
    """Accuracy of guessing, in percent."""
    return 100 / len(next(r for r in results if (r.dataset, r.subset) == (dataset, subset)).classnames)


def sections(found: list[Contribution]) -> Iterator[tuple[str, str]]:
    """(data set, side) of every group of comparisons, new classes first."""
    yield from unique((c.dataset, c.subset) for c in found)


def _kind(label: str, run: Result) -> str:
    """Which control a run is, by what its result.json says of rows and class texts; "" for CILMP itself and for baselines."""
    if run.class_text != "name":
        return run.class_text
    if run.method != SUBJECT or label == SUBJECT:
        return ""
    kind = (run.rows or {}).get("kind", "")
    return "other file" if kind == "real" else kind


def _contribution(difference: np.ndarray, dataset: str, subset: str, other: str, kind: str) -> Contribution:
    """`difference`: (seeds, classes)."""
    rng, (seeds, classes) = np.random.default_rng(0), difference.shape
    by_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds
    by_class = rng.multinomial(classes, np.full(classes, 1 / classes), RESAMPLES) / classes
    draws = np.einsum("rs,sc,rc->r", by_seed, difference, by_class)
    low, high = np.percentile(draws, [2.5, 97.5])
    mean = difference.mean(axis=0)
    better, worse = int((mean > 0).sum()), int((mean < 0).sum())
    value = float(difference.mean())
    return Contribution(dataset, subset, other, kind, value, float(low), float(high), better, worse, classes, seeds)


def _count(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"
