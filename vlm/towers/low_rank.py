"""Low-rank updates of frozen projections, beside the layers of a tower (LoRA, Hu et al., 2022)."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PARTS = "qkv"  # in the order of a layer's input projection


class LowRank(nn.Module):
    """k B A x, with A (rank, width) drawn and B (width, rank) zero, so that nothing is added at the start.

    Args:
        scale: k.
        dropout: on x, on this path alone.
    """

    def __init__(self, width: int, rank: int, scale: float, dropout: float = 0.0) -> None:
        super().__init__()
        self.A, self.B = nn.Parameter(torch.empty(rank, width)), nn.Parameter(torch.zeros(width, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.scale, self.dropout = scale, dropout

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(x, self.dropout, self.training)
        return F.linear(F.linear(x, self.A.to(x.dtype)), self.B.to(x.dtype)) * self.scale


class LowRankProjections(nn.Module):
    """Low-rank updates of some of a layer's query, key and value projections; a `beside_in` of `vlm.towers.block`.

    Args:
        parts: some of q, k, v.
        made: arguments of `LowRank`.
    """

    def __init__(self, parts: Sequence[str], width: int, **made) -> None:
        super().__init__()
        self.width = width
        self.updates = nn.ModuleDict({part: LowRank(width, **made) for part in parts})

    def forward(self, x: Tensor, wanted: slice) -> Tensor:
        """Of inputs x (..., width) what is added to the outputs `wanted` of all 3 * width, whole projections only."""
        first, last = (wanted.start or 0) // self.width, (wanted.stop or 3 * self.width) // self.width
        nothing = torch.zeros_like(x)
        return torch.cat([self.updates[p](x) if p in self.updates else nothing for p in PARTS[first:last]], dim=-1)
