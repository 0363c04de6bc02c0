"""Means, intervals and the paired bootstrap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def harmonic_mean(a: float, b: float) -> float:
    """Harmonic mean of two accuracies; 0 where either is 0."""
    return 2 * a * b / (a + b) if a > 0 and b > 0 else 0.0


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def sample_std(values: Sequence[float]) -> float | None:
    """Standard deviation with n - 1 in the denominator; None for fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def half_width_95(values: Sequence[float]) -> float | None:
    """Half the 95 % confidence interval of the mean by Student's t; None for fewer than two values."""
    from scipy import stats  # only now: this takes half a second

    n = len(values)
    return float(stats.t.ppf(0.975, n - 1) * stats.sem(values)) if n > 1 else None


@dataclass(frozen=True)
class Difference:
    """A difference between two methods, in points, and what resampling says of it.

    `low`, `high`, `p` are of other test images with these very seeds; `seeds_low`, `seeds_high` of other images and other
    seeds, None for a single seed, of whose like nothing is known.
    """

    value: float
    low: float
    high: float
    p: float
    """Two-sided bootstrap p-value, at least 1 / (resamples + 1)."""
    seeds_low: float | None
    seeds_high: float | None
    images: int
    seeds: int
    resamples: int

    @property
    def on_images(self) -> bool:
        """Whether the 95 % interval over test images leaves out 0."""
        return self.low > 0 or self.high < 0

    @property
    def holds(self) -> bool:
        """Whether both 95 % intervals leave out 0."""
        return self.on_images and self.seeds_low is not None and (self.seeds_low > 0 or self.seeds_high < 0)


def bootstrap_accuracy(ours: np.ndarray, theirs: np.ndarray, resamples: int = 10_000, seed: int = 0) -> Difference:
    """Paired bootstrap of the difference in accuracy (percentile intervals), over test images and over seeds and images.

    `ours`, `theirs`: (seeds, images) with 1 where the run was right; the same images in the same order. Images and seeds
    are crossed, so they are drawn independently (Owen, "The pigeonhole bootstrap", 2007); both methods get the same draw.
    """
    rng = np.random.default_rng(seed)
    by_seed = _drawn_images(ours - theirs, resamples, rng) * 100
    weights = _drawn_seeds(len(ours), resamples, rng)
    value, images = float(ours.mean() - theirs.mean()) * 100, ours.shape[1]
    return _difference(value, by_seed.mean(1), (by_seed * weights).sum(1), images, len(ours))


def bootstrap_harmonic_mean(
    ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray], resamples: int = 10_000, seed: int = 0
) -> Difference:
    """The same for the harmonic mean of base and new accuracy; base and new images are drawn independently, seeds together.

    Each argument: (base, new), each (seeds, images) of 0 and 1. Accuracies are averaged over seeds first.
    """
    rng, seeds = np.random.default_rng(seed), len(ours[0])
    sides = [_drawn_images(np.concatenate(pair), resamples, rng) for pair in zip(ours, theirs, strict=True)]
    sides = [side.reshape(resamples, 2, seeds) for side in sides]  # ours, theirs
    weights = _drawn_seeds(seeds, resamples, rng)[:, None]
    drawn = []
    for base, new in ([side.mean(2) for side in sides], [(side * weights).sum(2) for side in sides]):
        harmonic = 2 * base * new / np.maximum(base + new, 1e-12) * 100
        drawn.append(harmonic[:, 0] - harmonic[:, 1])
    observed = [harmonic_mean(*(float(side.mean()) for side in method)) * 100 for method in (ours, theirs)]
    return _difference(observed[0] - observed[1], *drawn, sum(side.shape[1] for side in ours), seeds)


def _drawn_images(values: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """(resamples, rows) means of rows of `values` (rows, images) over images drawn with replacement.

    Images with equal columns are alike to the mean, so it is enough to draw how often each kind of column occurs.
    """
    kinds, counts = np.unique(values.T, axis=0, return_counts=True)
    return rng.multinomial(values.shape[1], counts / counts.sum(), resamples) @ kinds / values.shape[1]


def _drawn_seeds(seeds: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """(resamples, seeds) shares of each seed when as many are drawn with replacement."""
    return rng.multinomial(seeds, np.full(seeds, 1 / seeds), resamples) / seeds


def _difference(value: float, draws: np.ndarray, both: np.ndarray, images: int, seeds: int) -> Difference:
    low, high = np.percentile(draws, [2.5, 97.5])
    seeds_low, seeds_high = map(float, np.percentile(both, [2.5, 97.5])) if seeds > 1 else (None, None)
    tail = min((draws <= 0).sum(), (draws >= 0).sum())
    p = min(1.0, 2 * (tail + 1) / (len(draws) + 1))
    return Difference(value, float(low), float(high), float(p), seeds_low, seeds_high, images, seeds, len(draws))
