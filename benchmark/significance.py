"""Whether a method's lead over the best baseline holds on other test images (paired bootstrap)."""

from dataclasses import dataclass

import numpy as np

from benchmark.results import Result, read_predictions
from benchmark.statistics import Difference, bootstrap_accuracy, bootstrap_harmonic_mean, harmonic_mean
from benchmark.tables import labels, unique
from toolbox.errors import UserError


@dataclass(frozen=True)
class Comparison:
    """A method against the best of the others, or against a variant of itself, on one data set and set of classes."""

    dataset: str
    what: str
    subject: str
    other: str
    role: str
    """What the other is: "best baseline", or "variant" (such as a control with shuffled rows)."""
    difference: Difference

    def sentence(self) -> str:
        d = self.difference
        verdict = (
            "no difference is shown"
            if not d.holds
            else "the lead holds"
            if d.value > 0
            else "it is behind, and that holds"
        )
        seeds = "1 seed" if d.seeds == 1 else f"{d.seeds} seeds averaged"
        return (
            f"{self.dataset}, {self.what}: {self.subject} - {self.other} ({self.role}) = {d.value:+.2f} points, "
            f"95 % interval [{d.low:+.2f}, {d.high:+.2f}], p = {d.p:.4f}: {verdict} "
            f"({d.resamples} paired resamples of {d.images} test images, {seeds})"
        )


def compare(results: list[Result], subject: str | None = None) -> list[Comparison]:
    """Compare the subject with the best baseline by accuracy, for each data set and side, and by harmonic mean.

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
        name += f" ({shots} shots)" if several and shots != -1 else ""
        found += _compare_on(here, name, subject)
    return found


def _compare_on(results: list[Result], name: str, subject: str | None) -> list[Comparison]:
    found = []
    sides = {subset: _hits([r for r in results if r.subset == subset]) for subset in unique(r.subset for r in results)}
    for subset, hits in sides.items():
        what = "accuracy" if subset == "all" else f"{subset} accuracy"
        scores = {label: float(h.mean()) for label, h in hits.items()}
        for ours, other, role in _pairs(scores, subject):
            found.append(Comparison(name, what, ours, other, role, bootstrap_accuracy(hits[ours], hits[other])))
    if {"base", "new"} <= sides.keys():
        base, new = sides["base"], sides["new"]
        scores = {k: harmonic_mean(float(base[k].mean()), float(new[k].mean())) for k in base.keys() & new.keys()}
        for ours, other, role in _pairs(scores, subject):
            difference = bootstrap_harmonic_mean((base[ours], new[ours]), (base[other], new[other]))
            found.append(Comparison(name, "harmonic mean", ours, other, role, difference))
    return found


def _pairs(scores: dict[str, float], subject: str | None) -> list[tuple[str, str, str]]:
    """(subject or the best, other, role): the best of the other methods, and every variant of the subject's own."""
    if len(scores) < 2 or (subject is not None and subject not in scores):
        return []
    order = sorted(scores, key=lambda label: (-scores[label], label))
    ours = subject or order[0]
    own = [label for label in order if label != ours and _method(label) == _method(ours)]
    others = [label for label in order if label != ours and label not in own]
    return [(ours, label, "best baseline") for label in others[:1]] + [(ours, label, "variant") for label in own]


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
