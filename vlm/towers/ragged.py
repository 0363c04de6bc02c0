"""Sequences of different lengths without padding in the work that is done token by token.

Class names have two to a dozen word pieces. Linear layers and MLPs see all classes' tokens packed one after the other;
only attention, which must know which token belongs to which class, sees a padded view.
"""

import torch
from torch import Tensor


class Ragged:
    """The layout of `len(lengths)` sequences packed into one axis of `sum(lengths)` tokens."""

    def __init__(self, lengths: list[int], device: torch.device | str | None = None) -> None:
        self.lengths = list(lengths)
        self.count, self.longest, self.total = len(lengths), max(lengths), sum(lengths)
        self.even = min(lengths) == self.longest
        sizes = torch.tensor(self.lengths, device=device)
        starts = sizes.cumsum(0) - sizes
        column = torch.arange(self.longest, device=device)
        real = column < sizes[:, None]
        # Padding points at the sequence's last token: any valid token will do, since no query ever reads it.
        self.to_padded = (starts[:, None] + torch.minimum(column, sizes[:, None] - 1)).flatten()
        self.to_packed = real.flatten().nonzero().flatten()
        self.last = starts + sizes - 1
        self.column = column.expand(self.count, -1)[real]
        self.sequence = torch.arange(self.count, device=device).repeat_interleave(sizes)

    def pad(self, x: Tensor) -> Tensor:
        """(batch, total, ...) -> (batch, count, longest, ...), left-aligned."""
        if not self.even:
            x = x.index_select(1, self.to_padded)
        return x.unflatten(1, (self.count, self.longest))

    def pack(self, x: Tensor) -> Tensor:
        """(batch, count, longest, ...) -> (batch, total, ...)"""
        x = x.flatten(1, 2)
        return x if self.even else x.index_select(1, self.to_packed)
