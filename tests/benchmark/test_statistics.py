import numpy as np
import pytest
from scipy import stats

from benchmark.statistics import (
    bootstrap_accuracy,
    bootstrap_harmonic_mean,
    half_width_95,
    harmonic_mean,
    sample_std,
)


def test_harmonic_mean_of_the_published_row():
    assert harmonic_mean(82.69, 63.22) == pytest.approx(71.66, abs=0.005)  # CoOp on 11 natural data sets
    assert harmonic_mean(50.0, 0.0) == 0.0


def test_spread_over_seeds():
    assert sample_std([70.0, 72.0, 74.0]) == pytest.approx(2.0)
    assert sample_std([70.0]) is None
    low, high = stats.t.interval(0.95, 2, loc=72, scale=stats.sem([70.0, 72.0, 74.0]))
    assert half_width_95([70.0, 72.0, 74.0]) == pytest.approx((high - low) / 2)


def test_bootstrap_agrees_with_scipy():
    rng = np.random.default_rng(1)
    ours = (rng.random((3, 400)) < 0.8).astype(float)
    theirs = (rng.random((3, 400)) < 0.7).astype(float)
    found = bootstrap_accuracy(ours, theirs, resamples=20_000)
    difference = 100 * (ours.mean(0) - theirs.mean(0))
    known = stats.bootstrap(
        (difference,), np.mean, n_resamples=20_000, method="percentile", rng=rng
    ).confidence_interval
    assert found.value == pytest.approx(difference.mean())
    assert found.low == pytest.approx(known.low, abs=0.15)
    assert found.high == pytest.approx(known.high, abs=0.15)
    assert (found.images, found.seeds) == (400, 3)
    assert found.holds


def test_harmonic_mean_bootstrap_agrees_with_scipy():
    rng = np.random.default_rng(2)
    base_a, new_a, base_b, new_b = (
        (rng.random((1, n)) < p).astype(float) for n, p in ((300, 0.9), (200, 0.7), (300, 0.85), (200, 0.5))
    )

    def statistic(base, new, axis=-1):
        # Each image is one number that holds both methods' hits, so that scipy resamples the pairs.
        hits = [
            (np.floor(base / 2).mean(axis), np.floor(new / 2).mean(axis)),
            ((base % 2).mean(axis), (new % 2).mean(axis)),
        ]
        ours, theirs = (200 * b * n / (b + n) for b, n in hits)
        return ours - theirs

    coded = (2 * base_a[0] + base_b[0], 2 * new_a[0] + new_b[0])
    known = stats.bootstrap(coded, statistic, n_resamples=20_000, method="percentile", vectorized=True, rng=rng)
    found = bootstrap_harmonic_mean((base_a, new_a), (base_b, new_b), resamples=20_000)
    assert found.value == pytest.approx(float(statistic(*coded)))
    assert found.low == pytest.approx(known.confidence_interval.low, abs=0.3)
    assert found.high == pytest.approx(known.confidence_interval.high, abs=0.3)


def test_bootstrap_of_equal_methods_holds_nothing():
    hits = (np.random.default_rng(0).random((2, 100)) < 0.6).astype(float)
    found = bootstrap_accuracy(hits, hits)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert not found.holds


def test_bootstrap_is_the_same_every_time():
    rng = np.random.default_rng(3)
    ours, theirs = ((rng.random((1, 50)) < p).astype(float) for p in (0.7, 0.6))
    assert bootstrap_accuracy(ours, theirs) == bootstrap_accuracy(ours, theirs)
