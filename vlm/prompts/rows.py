"""A data set's language-model rows as tensors of one shape, cut into those that are intervened on and the others."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class RowBatch:
    """prefix (n_cls, prefix, D), suffix (n_cls, suffix, D), middle (n_cls, longest middle, D); `lengths` are the numbers of
    rows a class."""

    prefix: Tensor
    middle: Tensor
    suffix: Tensor
    lengths: list[int]

    @classmethod
    def cut(cls, rows: list[Tensor], prefix: int, suffix: int) -> "RowBatch":
        """From one (rows, D) tensor a class, each with at least prefix + suffix rows."""
        lengths = [len(r) for r in rows]
        middles = [r[prefix : len(r) - suffix] for r in rows]
        middle = torch.nn.utils.rnn.pad_sequence(middles, batch_first=True)
        ends = (torch.stack([r[:prefix] for r in rows]), torch.stack([r[len(r) - suffix :] for r in rows]))
        return cls(ends[0], middle, ends[1], lengths)
