import itertools

import numpy as np
import pytest
from scipy import stats

from benchmark.statistics import (
    _drawn_images,
    _drawn_seeds,
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


def test_seeds_and_images_agree_with_an_exact_enumeration():
    """Every draw of 2 of 2 seeds and of 4 of 4 images, each as likely as any other: 4 * 256 outcomes."""
    ours = np.array([[1, 1, 0, 1], [1, 1, 1, 1.0]])
    theirs = np.array([[0, 1, 1, 0], [1, 0, 0, 0.0]])
    cells = 100 * (ours - theirs)
    seeds, images = itertools.product(range(2), repeat=2), list(itertools.product(range(4), repeat=4))
    exact = np.array([cells[np.ix_(s, i)].mean() for s in seeds for i in images])
    found = bootstrap_accuracy(ours, theirs, resamples=200_000)
    rng = np.random.default_rng(0)
    by_seed = 100 * _drawn_images(ours - theirs, 200_000, rng)
    draws = (by_seed * _drawn_seeds(2, 200_000, rng)).sum(1)
    for value in np.unique(exact):
        assert np.mean(np.isclose(draws, value)) == pytest.approx(np.mean(np.isclose(exact, value)), abs=0.005)
    low, high = np.percentile(exact, [2.5, 97.5])
    assert (found.seeds_low, found.seeds_high) == pytest.approx((low, high))
    assert found.seeds_low < found.low or found.seeds_high > found.high


def test_a_lead_that_one_seed_makes_does_not_hold():
    """Two seeds see nothing, one sees everything: sure on other images, not on other seeds."""
    theirs = np.zeros((3, 200))
    ours = np.stack([np.zeros(200), np.zeros(200), np.ones(200)])
    found = bootstrap_accuracy(ours, theirs)
    assert found.on_images and found.low == pytest.approx(100 / 3)
    assert (found.seeds_low, found.seeds_high) == pytest.approx((0, 100), abs=1) and not found.holds
    alone = bootstrap_accuracy(ours[2:], theirs[2:])
    assert alone.on_images and alone.seeds_low is None and not alone.holds


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
