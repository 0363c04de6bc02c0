"""Means, intervals and the paired bootstrap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


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
    n = len(values)
    return float(stats.t.ppf(0.975, n - 1) * stats.sem(values)) if n > 1 else None


@dataclass(frozen=True)
class Difference:
    """A difference between two methods, in points, and what resampling the test images says of it."""

    value: float
    low: float
    high: float
    p: float
    """Two-sided bootstrap p-value, at least 1 / (resamples + 1)."""
    images: int
    seeds: int
    resamples: int

    @property
    def holds(self) -> bool:
        """Whether the 95 % interval leaves out 0."""
        return self.low > 0 or self.high < 0


def bootstrap_accuracy(ours: np.ndarray, theirs: np.ndarray, resamples: int = 10_000, seed: int = 0) -> Difference:
    """Paired bootstrap over test images of the difference in accuracy (percentile interval).

    `ours`, `theirs`: (seeds, images) with 1 where the run was right; the same images in the same order. Each image's
    score is its mean over seeds, so the interval speaks of these trained models on other images, not of other seeds.
    """
    draws = _resampled(ours.mean(0) - theirs.mean(0), resamples, np.random.default_rng(seed)) * 100
    return _difference(float(ours.mean() - theirs.mean()) * 100, draws, ours.shape[1], len(ours))


def bootstrap_harmonic_mean(
    ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray], resamples: int = 10_000, seed: int = 0
) -> Difference:
    """The same for the harmonic mean of base and new accuracy; base and new images are drawn independently.

    Each argument: (base, new), each (seeds, images) of 0 and 1. Accuracies are averaged over seeds first.
    """
    rng = np.random.default_rng(seed)
    sides = [_resampled(np.stack([a.mean(0), b.mean(0)], 1), resamples, rng) for a, b in zip(ours, theirs, strict=True)]
    base, new = sides  # (resamples, 2): ours, theirs
    harmonic = 2 * base * new / np.maximum(base + new, 1e-12) * 100
    observed = [harmonic_mean(*(float(side.mean()) for side in method)) * 100 for method in (ours, theirs)]
    images = sum(side.shape[1] for side in ours)
    return _difference(observed[0] - observed[1], harmonic[:, 0] - harmonic[:, 1], images, len(ours[0]))


def _resampled(values: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Means of `resamples` draws with replacement of the first axis, some at a time to bound memory."""
    n = len(values)
    step = max(1, 4_000_000 // n)
    parts = [values[rng.integers(0, n, (min(step, resamples - i), n))].mean(axis=1) for i in range(0, resamples, step)]
    return np.concatenate(parts)


def _difference(value: float, draws: np.ndarray, images: int, seeds: int) -> Difference:
    low, high = np.percentile(draws, [2.5, 97.5])
    tail = min((draws <= 0).sum(), (draws >= 0).sum())
    p = min(1.0, 2 * (tail + 1) / (len(draws) + 1))
    return Difference(value, float(low), float(high), float(p), images, seeds, len(draws))
