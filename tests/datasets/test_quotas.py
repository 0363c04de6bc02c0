"""Quotas by numbers that can be checked by hand, beside the recordings in tests/trainers/test_golden.py."""

import pytest

from datasets.quotas import indices, quotas

MESSIDOR = [812, 216, 277, 60, 28]  # of SS-Text's training part


@pytest.mark.parametrize(
    "shots, expected",
    [
        (1, [3, 1, 1, 0, 0]),
        (2, [6, 2, 2, 0, 0]),
        (4, [12, 3, 4, 1, 0]),
        (8, [23, 6, 8, 2, 1]),
        (16, [47, 12, 16, 3, 2]),
    ],
)
def test_proportions_are_those_of_the_training_part(shots, expected):
    assert quotas(MESSIDOR, shots, "realistic") == expected


def test_every_class_has_one_image_at_least_unless_the_draw_is_realistic():
    assert quotas(MESSIDOR, 2, "relaxed") == [4, 2, 2, 1, 1]
    assert quotas(MESSIDOR, 2, "standard") == [2, 2, 2, 2, 2]


def test_what_rounding_gives_too_much_is_taken_from_the_largest_and_what_it_leaves_is_not_drawn():
    assert quotas([30] * 3 + [5, 5], 1, "realistic") == [1, 2, 2, 0, 0]  # 1.5 is 2 each, one more than the budget
    assert quotas([1, 1, 1, 1, 96], 1, "relaxed") == [1, 1, 1, 1, 1]
    assert quotas([12, 12, 12, 12, 52], 1, "realistic") == [1, 1, 1, 1, 1]  # 0.6 each and 2.6, which alone is cut
    assert quotas([28, 28, 24, 20], 4, "realistic") == [4, 4, 4, 3]  # 15 of 16


@pytest.mark.parametrize("draw", ["standard", "relaxed", "realistic"])
def test_all_draws_of_balanced_data_are_one(draw):
    assert quotas([160] * 4, 4, draw) == [4] * 4


def test_a_class_with_fewer_images_gives_all_it_has_and_small_draws_lie_in_large_ones():
    labels = [0, 1, 0, 1, 1, 0, 2]
    assert sorted(indices(labels, [2, 3, 4], 1)[2:]) == [1, 3, 4, 6]
    assert set(indices(labels, [1, 1, 0], 5)) < set(indices(labels, [2, 2, 1], 5))
    assert {tuple(indices(labels, [1, 1, 1], seed)) for seed in range(20)} > {tuple(indices(labels, [1, 1, 1], 0))}
