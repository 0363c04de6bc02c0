"""Language-model rows as keys of a prompted text layer, without ever leaving their k dimensions.

A deep prompt enters its layer raw, p = B a, and is only read as a key and a value: K, V = W LN(p) + w. LayerNorm scales a
centred vector, and centring is linear, so with B' the column-centred B, G = B'^T B' / T and s(a) = sqrt(a^T G a + eps):

    K, V = M (a / s(a)) + c        M = W diag(gain) B'  (2T x k),   c = W shift + w

Scores and values then take k products a row instead of T, and (batch, n_cls, rows, T) tensors never exist.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, einsum

from vlm.towers.block import Block


class LowRankKeys:
    """The rows of one prompted layer as a part for `vlm.towers.attention.attend`.

    Args:
        block: the text layer they enter.
        B: (width, k), the layer's projection to the text width.
        fixed: coordinates a of the rows that do not depend on the image, (n_cls, middle, k).
        mask: (n_cls, middle), 0 or -inf, since classes may have different numbers of rows.
        moved: coordinates of the intervened rows, (batch, n_cls, ends, k).
    """

    @torch.autocast("cuda", enabled=False)
    @torch.autocast("cpu", enabled=False)
    def __init__(self, block: Block, B: Tensor, fixed: Tensor, mask: Tensor, moved: Tensor) -> None:
        wide = torch.promote_types(B.dtype, torch.float32)
        weight, bias = block.in_weight[block.width :].to(wide), block.in_bias[block.width :].to(wide)
        norm = block.ln_1
        B = B.to(wide)
        centred = B - B.mean(0)
        basis = weight @ (norm.weight.to(wide)[:, None] * centred)
        constant = weight @ norm.bias.to(wide) + bias
        self.gram = centred.mT @ centred / len(B)
        self.eps = norm.eps
        basis = torch.cat([basis, constant[:, None]], dim=1).to(block.in_weight.dtype)
        self.k, self.v = (half.unflatten(0, (block.heads, -1)) for half in basis.chunk(2))
        self.fixed, self.moved = (self._scaled(a.to(wide)).to(basis.dtype) for a in (fixed, moved))
        self.mask = mask.to(basis.dtype)[:, None, None]
        self.n_fixed = fixed.shape[-2]

    def _scaled(self, a: Tensor) -> Tensor:
        """[a / s(a); 1], (..., k + 1)"""
        variance = einsum("...j,jm,...m->...", a, self.gram, a)
        return torch.cat([a * torch.rsqrt(variance + self.eps)[..., None], torch.ones_like(a[..., :1])], dim=-1)

    def scores(self, q: Tensor) -> Tensor:
        q = einsum("bcthd,hdk->bchtk", q, self.k)
        fixed = einsum("bchtk,crk->bchtr", q, self.fixed) + self.mask
        moved = einsum("bchtk,bcrk->bchtr", q.expand(len(self.moved), -1, -1, -1, -1), self.moved)
        return torch.cat([fixed.expand(len(moved), -1, -1, -1, -1), moved], dim=-1)

    def values(self, weights: Tensor) -> Tensor:
        fixed, moved = weights.split([self.n_fixed, weights.shape[-1] - self.n_fixed], dim=-1)
        read = einsum("bchtr,crk->bchtk", fixed, self.fixed) + einsum("bchtr,bcrk->bchtk", moved, self.moved)
        return einsum("bchtk,hdk->bcthd", read, self.v)


@dataclass
class RowBatch:
    """The rows of all classes, cut into what is intervened on and what is not.

    prefix (n_cls, prefix, D), suffix (n_cls, suffix, D), middle (n_cls, longest middle, D) with `mask`
    (n_cls, longest middle) 0 or -inf; `lengths` are the numbers of rows a class.
    """

    prefix: Tensor
    middle: Tensor
    suffix: Tensor
    mask: Tensor
    lengths: list[int]

    @classmethod
    def cut(cls, rows: list[Tensor], prefix: int, suffix: int) -> "RowBatch":
        """From one (rows, D) tensor a class, each with at least prefix + suffix rows."""
        lengths = [len(r) for r in rows]
        middles = [r[prefix : len(r) - suffix] for r in rows]
        sizes = torch.tensor([len(m) for m in middles], device=rows[0].device)
        middle = torch.nn.utils.rnn.pad_sequence(middles, batch_first=True)
        column = torch.arange(middle.shape[1], device=middle.device)
        mask = torch.zeros(middle.shape[:2], device=middle.device).masked_fill(column >= sizes[:, None], float("-inf"))
        ends = (torch.stack([r[:prefix] for r in rows]), torch.stack([r[len(r) - suffix :] for r in rows]))
        return cls(ends[0], middle, ends[1], mask, lengths)
