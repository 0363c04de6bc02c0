"""Prompts that a layer only reads: keys and values of all layers in a few batched products.

A deep prompt p enters its layer raw and is thrown away before the next, so it is only a key and a value there:
K, V = W LN(p) + w. The weights are frozen, so LayerNorm's gain and shift are folded into them once:

    K, V = W' norm(p) + c            W' = W diag(gain),   c = W shift + w

A language-model row is p = B a with few coordinates a. LayerNorm scales a centred vector, and centring is linear, so with
the column-centred B' and G = B'^T B' / T a row never leaves its k dimensions:

    K, V = (W' B') a / s(a) + c      s(a) = sqrt(a^T G a + eps)

In towers that normalise behind attention (BERT), norm and s are absent.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Reader:
    """Keys and values that the layers `blocks` make of raw prompts, in float32.

    Args:
        blocks: with `reading`, which gives weight (2 * width, width) and bias (2 * width,), and `eps_before`, LayerNorm's
            epsilon before attention or None.
    """

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        weights, biases = zip(*(block.reading() for block in blocks), strict=True)
        self.weight, self.bias = torch.stack(weights), torch.stack(biases)[:, None]
        self.eps = blocks[0].eps_before

    def __call__(self, prompts: Tensor) -> Tensor:
        """Keys and values (layers, n, 2 * width) of prompts (layers, n, width) of the first layers."""
        n = len(prompts)
        with torch.autocast(prompts.device.type, enabled=False):
            x = prompts.float()
            x = x if self.eps is None else F.layer_norm(x, x.shape[-1:], eps=self.eps)
            return torch.baddbmm(self.bias[:n], x, self.weight[:n].mT)


class LowRankReader:
    """Keys and values of rows p = B a, from their coordinates a, in float32.

    Args:
        reader: of the tower's layers.
        B: (layers, width, k), for the layers `first`, `first` + 1, ...
    """

    def __init__(self, reader: Reader, B: Tensor, first: int) -> None:
        layers = slice(first, first + len(B))
        self.bias, self.eps = reader.bias[layers], reader.eps
        if self.eps is not None:
            B = B - B.mean(1, keepdim=True)
            self.gram = B.mT @ B / B.shape[1]
        self.basis = B.mT @ reader.weight[layers].mT

    def __call__(self, a: Tensor) -> Tensor:
        """(layers, n, 2 * width) of coordinates (layers, n, k)."""
        with torch.autocast(a.device.type, enabled=False):
            if self.eps is not None:
                a = a * torch.rsqrt(((a @ self.gram) * a).sum(-1, keepdim=True) + self.eps)
            return torch.baddbmm(self.bias, a, self.basis)
