"""Rows that carry no knowledge of their class, to test whether a method uses the knowledge in the real ones."""

from collections.abc import Sequence

import torch
from torch import Tensor

from toolbox.errors import UserError, nearest

KINDS = ("real", "shuffled", "random")


def control_rows(kind: str, rows: Sequence[Tensor], seed: int) -> list[Tensor]:
    """`rows` (one `(layers, width)` tensor a class) as they are, or `shuffled_rows`, or `random_rows` of them."""
    if kind not in KINDS:
        raise UserError(f"rows '{kind}': no such control ({nearest(kind, KINDS)})")
    return {"real": lambda *_: list(rows), "shuffled": shuffled_rows, "random": random_rows}[kind](rows, seed)


def shuffled_rows(rows: Sequence[Tensor], seed: int) -> list[Tensor]:
    """Every class gets the whole set of rows of another class: a derangement, the same for the same seed.

    Raises UserError for a single class, which has no other to swap with.
    """
    if len(rows) < 2:
        raise UserError("shuffled rows need at least two classes")
    generator = torch.Generator().manual_seed(seed)
    places = torch.arange(len(rows))
    # About one permutation in e moves every class, so drawing until one does is quick and uniform over derangements.
    while bool(((order := torch.randperm(len(rows), generator=generator)) == places).any()):
        pass
    return [rows[i] for i in order.tolist()]


def random_rows(rows: Sequence[Tensor], seed: int) -> list[Tensor]:
    """Gaussian rows of the same shapes, scaled so that each layer keeps its mean norm over the classes.

    Layers are matched by their number from the first; classes may have different numbers of them.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(tensor.shape, generator=generator) for tensor in rows]
    for layer in range(max(tensor.shape[0] for tensor in rows)):
        having = [i for i, tensor in enumerate(rows) if tensor.shape[0] > layer]
        wanted = torch.stack([rows[i][layer].float().norm() for i in having]).mean()
        got = torch.stack([drawn[i][layer].norm() for i in having]).mean()
        for i in having:
            drawn[i][layer] *= wanted / got
    return [new.to(old.dtype) for new, old in zip(drawn, rows, strict=True)]
