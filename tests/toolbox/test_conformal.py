"""Prediction sets against a plain program written from the papers, one image and one class at a time."""

from fractions import Fraction
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolbox.conformal import (
    SCORES,
    class_coverage,
    class_thresholds,
    fewest,
    measures,
    probabilities,
    rank,
    scores,
    sets,
    threshold,
)


def plain_score(p: list[Fraction], y: int, kind: str, u: Fraction) -> Fraction:
    """r(x, y) as the papers have it, in fractions."""
    if kind == "lac":
        return 1 - p[y]
    likelier = [q for q in p if q > p[y]]
    return sum(likelier) + u * p[y] + (Fraction(1, 1000) * len(likelier) if kind == "raps" else 0)


def plain_sets(calibration, labels, test, kind, coverage, u_cal, u_test) -> list[set[int]]:
    """Every class whose score is at most as odd as enough of the calibration images' own, counted."""
    found = []
    own = [plain_score(p, y, kind, u) for p, y, u in zip(calibration, labels, u_cal, strict=True)]
    for p, u in zip(test, u_test, strict=True):
        members = set()
        for y in range(len(p)):
            less = sum(r < plain_score(p, y, kind, u) for r in own)  # in the set unless as many as k are less odd
            if less < (len(own) + 1) * coverage:
                members.add(y)
        found.append(members)
    return found


weights = st.lists(st.integers(1, 50), min_size=3, max_size=3)


@given(
    st.lists(st.tuples(weights, st.integers(0, 2), st.integers(0, 8)), min_size=1, max_size=25),
    st.lists(st.tuples(weights, st.integers(0, 8)), min_size=1, max_size=5),
    st.sampled_from(SCORES),
    st.sampled_from(["0.9", "0.95", "0.8", "0.5"]),
)
def test_sets_are_those_of_a_plain_program(calibration, test, kind, coverage):
    def fractions(rows):
        return [[Fraction(w, sum(row)) for w in row] for row in rows]

    cal, labels = fractions([row for row, *_ in calibration]), [y for _, y, _ in calibration]
    u_cal, u_test = [Fraction(u, 8) for *_, u in calibration], [Fraction(u, 8) for _, u in test]
    new = fractions([row for row, _ in test])
    expected = plain_sets(cal, labels, new, kind, Fraction(coverage), u_cal, u_test)
    found = scores(np.array(cal, float), kind, np.array(u_cal, float))[np.arange(len(cal)), labels]
    members = sets(scores(np.array(new, float), kind, np.array(u_test, float)), threshold(found, coverage))
    assert [set(np.flatnonzero(row)) for row in members] == expected


def test_ranks_are_exact_and_too_few_images_give_all_classes():
    assert [rank(n, 0.9) for n in (8, 9, 19, 80)] == [9, 9, 18, 73]
    assert [fewest(coverage) for coverage in (0.9, 0.95, 0.99, "0.5")] == [9, 19, 99, 1]
    assert threshold(np.arange(8.0), 0.9) == inf and threshold(np.arange(9.0), 0.9) == 8.0
    labels = np.repeat([0, 1], [9, 5])
    assert class_thresholds(np.arange(14.0), labels, 3, 0.9).tolist() == [8.0, inf, inf]


def test_a_sure_models_scores_differ_in_float64():
    found = scores(probabilities(np.array([[30.0, 0.0, -9.0], [29.0, 0.0, -9.0]], np.float32)), "lac")
    assert found[0, 0] == found[1, 0] == 0.0  # below what is told apart, and a tie
    found = scores(probabilities(np.array([[18.0, 0.0, 0.0], [19.0, 0.0, 0.0]], np.float32)), "lac")
    assert 0 < found[1, 0] < found[0, 0] < 1e-7


def test_what_sets_are_worth():
    members = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 1]], bool)
    labels = np.array([0, 1, 1, 1])
    found = measures(members, labels, 0.9)
    assert found["coverage"] == 0.75 and found["size"] == 1.5 and found["empty"] == found["single"] == 0.25
    assert found["worst"] == pytest.approx(2 / 3) and found["gap"] == pytest.approx((0.1 + 0.9 - 2 / 3) / 2)
    assert np.isnan(class_coverage(members, labels)).tolist() == [False, False, True]


def test_coverage_holds_on_images_like_those_of_calibration():
    """Over many draws the mean coverage is (n + 1 - floor((n + 1) alpha)) / (n + 1), here 0.9 exactly."""
    rng, hits = np.random.default_rng(1), []
    for _ in range(400):
        found = scores(rng.dirichlet(np.ones(4), 49 + 50), "aps", rng.random(99))
        labels = np.array([rng.choice(4, p=p) for p in rng.dirichlet(np.ones(4), 99)])
        own = found[np.arange(99), labels]
        hits.append((own[49:] <= threshold(own[:49], 0.9)).mean())
    assert abs(np.mean(hits) - 0.9) < 4 * np.std(hits) / 20
