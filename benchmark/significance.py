"""Whether a method's lead over its controls and the best baseline holds on other test images and seeds (paired bootstrap)."""

from dataclasses import dataclass

import numpy as np

from benchmark.results import Result, read_predictions
from benchmark.statistics import Difference, bootstrap_accuracy, bootstrap_harmonic_mean, harmonic_mean
from benchmark.tables import labels, unique
from toolbox.errors import UserError
from toolbox.scores import chance_accuracy


@dataclass(frozen=True)
class Comparison:
    """A method against the best of the others, or against a variant of itself, on one data set and set of classes."""

    dataset: str
    what: str
    subject: str
    other: str
    role: str
    """What the other is: "best baseline", or "variant" (such as a control with shuffled rows)."""
    scores: tuple[float, float]
    """Of the subject and of the other, in percent, seeds averaged."""
    chance: float
    """What guessing among the classes gets."""
    difference: Difference

    def sentence(self) -> str:
        d, (ours, theirs) = self.difference, self.scores
        seeds = "this 1 seed" if d.seeds == 1 else f"these {d.seeds} seeds"
        beyond = "" if d.seeds_low is None else f"; on other seeds too [{d.seeds_low:+.2f}, {d.seeds_high:+.2f}]"
        return (
            f"{self.dataset}, {self.what} (chance {self.chance:.1f}): {self.subject} {ours:.2f} - {self.other} {theirs:.2f} "
            f"({self.role}) = {d.value:+.2f} points; 95 % interval on other test images with {seeds} "
            f"[{d.low:+.2f}, {d.high:+.2f}], p = {d.p:.4f}{beyond}: {self.verdict()} "
            f"({d.resamples} paired resamples of {d.images} test images)"
        )

    def verdict(self) -> str:
        d = self.difference
        lead = "the lead" if d.value > 0 else "its being behind"
        if not d.on_images:
            return "no difference is shown"
        if d.seeds == 1:
            return f"{lead} holds for this seed; of others nothing is known"
        if not d.holds:
            return f"the spread over seeds covers {lead}: no difference is shown"
        return "the lead holds" if d.value > 0 else "it is behind, and that holds"


def compare(results: list[Result], subject: str | None = None) -> list[Comparison]:
    """Compare the subject with its controls, then the best baseline, for each data set and side, and by harmonic mean.

    `subject` None: CILMP where it is among the methods, else the best one. Nothing is returned where a method stands
    alone or a run kept no predictions. Raises UserError for a subject that is not among the methods.
    """
    rows = labels(results)
    if subject is not None and subject not in rows:
        raise UserError(f"--subject {subject!r} is not in the table; methods there: {', '.join(rows)}")
    subject = subject or ("CILMP" if "CILMP" in rows else None)
    found = []
    for dataset, shots, source in unique((r.dataset, r.shots, r.source) for r in results):
        here = [r for r in results if (r.dataset, r.shots, r.source) == (dataset, shots, source)]
        name = dataset if source is None else f"{source} to {dataset}"
        several = len(unique(r.shots for r in results)) > 1
        name += f" ({shots} shot{'s' if shots != 1 else ''})" if several and shots != -1 else ""
        found += _compare_on(here, name, subject)
    return found


def _compare_on(results: list[Result], name: str, subject: str | None) -> list[Comparison]:
    found = []
    sides = {subset: _hits([r for r in results if r.subset == subset]) for subset in unique(r.subset for r in results)}
    chance = {r.subset: chance_accuracy(max(1, len(r.classnames))) for r in results}
    for subset, hits in sides.items():
        what = "accuracy" if subset == "all" else f"{subset} accuracy"
        scores = {label: 100 * float(h.mean()) for label, h in hits.items()}
        for ours, other, role in _pairs(scores, subject):
            both, difference = (scores[ours], scores[other]), bootstrap_accuracy(hits[ours], hits[other])
            found.append(Comparison(name, what, ours, other, role, both, chance[subset], difference))
    if {"base", "new"} <= sides.keys():
        base, new = sides["base"], sides["new"]
        both = [k for k in base if k in new and len(base[k]) == len(new[k])]
        scores = {k: harmonic_mean(*(100 * float(side[k].mean()) for side in (base, new))) for k in both}
        for ours, other, role in _pairs(scores, subject):
            difference = bootstrap_harmonic_mean((base[ours], new[ours]), (base[other], new[other]))
            guess, pair = harmonic_mean(chance["base"], chance["new"]), (scores[ours], scores[other])
            found.append(Comparison(name, "harmonic mean", ours, other, role, pair, guess, difference))
    return found


def _pairs(scores: dict[str, float], subject: str | None) -> list[tuple[str, str, str]]:
    """(subject or the best, other, role): every variant of the subject's own (a control), then the best of the others."""
    if len(scores) < 2 or (subject is not None and subject not in scores):
        return []
    order = sorted(scores, key=lambda label: (-scores[label], label))
    ours = subject or order[0]
    own = [label for label in order if label != ours and _method(label) == _method(ours)]
    others = [label for label in order if label != ours and label not in own]
    return [(ours, label, "variant") for label in own] + [(ours, label, "best baseline") for label in others[:1]]


def _method(label: str) -> str:
    return label.split(" (")[0]


def _hits(results: list[Result]) -> dict[str, np.ndarray]:
    """{row label: (seeds, images) of 0 and 1} over the seeds and images that all methods have in common."""
    kept = {
        label: {r.seed: p for r in runs if (p := read_predictions(r)) is not None}
        for label, runs in labels(results).items()
    }
    kept = {label: runs for label, runs in kept.items() if runs}
    if not kept:
        return {}
    seeds = sorted(set.intersection(*(set(runs) for runs in kept.values())))
    paths = [p.paths for runs in kept.values() for seed, p in runs.items() if seed in seeds]
    if not seeds or any(not np.array_equal(paths[0], other) for other in paths):
        return {}
    return {label: np.stack([runs[seed].correct for seed in seeds]) for label, runs in kept.items()}
