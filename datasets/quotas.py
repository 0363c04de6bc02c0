"""How many images a class a clinic's own few-shot draw has, and which (Silva-Rodriguez et al., MICCAI 2025)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Quota(NamedTuple):
    """Whether classes are drawn in the proportions of the training part, and the fewest images of one."""

    proportional: bool
    fewest: int


QUOTAS = {"standard": Quota(False, 1), "relaxed": Quota(True, 1), "realistic": Quota(True, 0)}
COOP = "coop"
DRAWS = (COOP, *QUOTAS)
"""CoOp's own draw is another matter: as many images of every class, and validation images beside them (`datasets.fewshot`)."""


def with_draw(name: str, draw: str) -> str:
    """A file's or folder's name with the draw in it, unless that is CoOp's own, whose names are CoOp's."""
    return name if draw == COOP else f"{name}_{draw}"


def quotas(counts: Sequence[int], shots: int, draw: str) -> list[int]:
    """Images to draw of each class: `shots` times the number of classes in all, or fewer where rounding leaves some.

    A class has the share of that budget that it has of the training part (or of the classes, in the standard draw), rounded,
    half to even. What is over is taken from the largest, one by one, of equals from the first.

    Args:
        counts: images of each class in the training part.
        draw: one of QUOTAS.
    """
    kind, budget, whole = QUOTAS[draw], shots * len(counts), sum(counts)
    shares = [count / whole if kind.proportional else 1 / len(counts) for count in counts]
    found = [max(kind.fewest, round(budget * share)) for share in shares]
    while sum(found) > budget:
        found[found.index(max(found))] -= 1
    return found


def indices(labels: Sequence[int], wanted: Sequence[int], seed: int) -> list[int]:
    """Positions of `wanted[k]` images of each class k, all there are of a class that has fewer, class by class.

    Every class is shuffled anew from the seed, so that the draw of fewer images is contained in that of more.
    """
    places = np.asarray(labels)
    chosen: list[int] = []
    for label, number in enumerate(wanted):
        of_class = np.flatnonzero(places == label)
        np.random.RandomState(seed).shuffle(of_class)
        chosen += of_class[:number].tolist()
    return chosen
