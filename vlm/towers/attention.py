"""Attention over keys that come in parts, each part shared over as many axes as the mathematics allows.

In a prompted text tower the keys of one query are: the start token and context (the same for all classes), language-model
rows (some the same for all images), and the class's own tokens. Laying them side by side in one tensor would repeat the
shared ones for every image and class. Here every part keeps its own shape, the scores alone are put side by side, and one
softmax runs over them:

    weights = softmax([q K1', q K2', ...] / sqrt(d));   y = weights_1 V1 + weights_2 V2 + ...

Queries are (batch, n_cls, t, heads, d); scores are (batch, n_cls, heads, t, keys). `batch` may be 1 where images do not
matter yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Keys(Protocol):
    """A part: how queries score its keys, and what the weighted values are."""

    def scores(self, q: Tensor) -> Tensor: ...

    def values(self, weights: Tensor) -> Tensor: ...


@dataclass
class Shared:
    """Keys that all classes share: k, v (batch or 1, keys, heads, d). The start token and the context."""

    k: Tensor
    v: Tensor

    def scores(self, q: Tensor) -> Tensor:
        if self.k.shape[0] == 1:
            return torch.einsum("bcthd,phd->bchtp", q, self.k[0])
        return torch.einsum("bcthd,bphd->bchtp", q.expand(self.k.shape[0], -1, -1, -1, -1), self.k)

    def values(self, weights: Tensor) -> Tensor:
        if self.v.shape[0] == 1:
            return torch.einsum("bchtp,phd->bcthd", weights, self.v[0])
        return torch.einsum("bchtp,bphd->bcthd", weights, self.v)


@dataclass
class Own:
    """Keys of each class, k and v (batch or 1, n_cls, keys, heads, d); `mask` (broadcast to scores) is added to the scores."""

    k: Tensor
    v: Tensor
    mask: Tensor | None = None

    def scores(self, q: Tensor) -> Tensor:
        if self.k.shape[0] == 1:
            s = torch.einsum("bcthd,cshd->bchts", q, self.k[0])
        else:
            s = torch.einsum("bcthd,bcshd->bchts", q.expand(self.k.shape[0], -1, -1, -1, -1), self.k)
        return s if self.mask is None else s + self.mask.to(s.dtype)

    def values(self, weights: Tensor) -> Tensor:
        if self.v.shape[0] == 1:
            return torch.einsum("bchts,cshd->bcthd", weights, self.v[0])
        return torch.einsum("bchts,bcshd->bcthd", weights, self.v)


def attend(q: Tensor, parts: Sequence[Keys]) -> Tensor:
    """What queries q (batch or 1, n_cls, t, heads, d) read from all parts: (batch, n_cls, t, heads, d)."""
    q = q * q.shape[-1] ** -0.5
    scores = [part.scores(q) for part in parts]
    batch = max(s.shape[0] for s in scores)
    sizes = [s.shape[-1] for s in scores]
    together = torch.cat([s.expand(batch, -1, -1, -1, -1) for s in scores], dim=-1)
    # The softmax is taken in float32: in half precision its sums lose digits that the other steps keep.
    weights = together.softmax(dim=-1, dtype=torch.promote_types(together.dtype, torch.float32)).to(q.dtype)
    read = [part.values(w) for part, w in zip(parts, weights.split(sizes, dim=-1), strict=True)]
    return sum(read[1:], read[0])


def causal_mask(n: int, device: torch.device) -> Tensor:
    """(n, n) with -inf above the diagonal: a token sees itself and what stands before it."""
    return torch.full((n, n), float("-inf"), device=device).triu(1)
