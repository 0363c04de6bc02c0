"""Base and new classes (CoOp, Zhou et al. 2022): the first half of the labels, and the rest."""

import math
from collections.abc import Mapping, Sequence

from toolbox.errors import UserError

from .split import Item

SUBSETS = ("all", "base", "new")
MIN_CLASSES = 4


def subset_labels(n_cls: int, subset: str) -> list[int]:
    """Labels of a subset: base is the first ceil(n / 2), new the rest.

    Raises UserError for another name, and for fewer than 4 classes, where a side would have one class and score 100 by itself.
    """
    if subset not in SUBSETS:
        raise UserError(f"DATASET.SUBSAMPLE_CLASSES is {subset!r}; known: {', '.join(SUBSETS)}")
    if subset == "all":
        return list(range(n_cls))
    if n_cls < MIN_CLASSES:
        raise UserError(
            f"base-to-new needs {MIN_CLASSES} classes or more: with {n_cls} a side has a single class and scores 100 by itself"
        )
    half = math.ceil(n_cls / 2)
    return list(range(half)) if subset == "base" else list(range(half, n_cls))


def subsample(parts: Mapping[str, Sequence[Item]], n_cls: int, subset: str) -> dict[str, list[Item]]:
    """Filter every part to the subset's classes, relabelled from 0. Raises as `subset_labels`."""
    relabel = {label: new for new, label in enumerate(subset_labels(n_cls, subset))}
    return {
        name: [item._replace(label=relabel[item.label]) for item in items if item.label in relabel]
        for name, items in parts.items()
    }
