"""Base and new classes."""

import pytest

from datasets.split import Item
from datasets.subsample import subsample, subset_labels
from toolbox.errors import UserError


@pytest.mark.parametrize(("n_cls", "base"), [(4, 2), (5, 3), (8, 4), (16, 8), (7, 4)])
def test_base_is_the_first_half_rounded_up(n_cls, base):
    assert subset_labels(n_cls, "base") == list(range(base))
    assert subset_labels(n_cls, "new") == list(range(base, n_cls))
    assert subset_labels(n_cls, "all") == list(range(n_cls))


def test_parts_are_filtered_and_relabelled_from_0():
    items = [Item(f"{label}.png", label, f"class {label}") for label in range(5)]
    new = subsample({"train": items, "test": items[3:]}, 5, "new")
    assert new["train"] == [Item("3.png", 0, "class 3"), Item("4.png", 1, "class 4")]
    assert new["test"] == new["train"]


@pytest.mark.parametrize("n_cls", [1, 2, 3])
@pytest.mark.parametrize("subset", ["base", "new"])
def test_fewer_than_four_classes_are_refused(n_cls, subset):
    with pytest.raises(UserError, match=f"needs 4 classes or more: with {n_cls}"):
        subset_labels(n_cls, subset)


def test_unknown_subset():
    with pytest.raises(UserError, match="'half'; known: all, base, new"):
        subset_labels(8, "half")
