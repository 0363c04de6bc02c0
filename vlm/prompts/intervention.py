"""CILMP's conditional low-rank intervention, computed in its k dimensions.

For a row h (D wide) and a normalised image feature f (E wide), arXiv 2511.12639:

    u  = U2 (U1 f + a1) + a2
    s  = W1 h + W2 (u * h) + b
    h' = dropout(h + R (s - R^T h))          LoReFT, conditioned on the image
    p  = B A h'                              low-rank projection to the text width

Nobody needs h' itself, only its k coordinates a = A h'. With h fixed and m the dropout mask (already scaled):

    s - R^T h = g + Q (U1 f + a1)            g = (W1 + W2 diag(a2) - R^T) h + b,   Q = W2 diag(h) U2
    a         = A (m * h) + (A diag(m) R) (s - R^T h)

g (k) and Q (k x k) are made once a step for all images; an image then costs one k x k product a row and never touches D.
All layers' parameters are stacked along a first axis `i`, so all layers are computed together.
Index letters: i layer, b image, c class, l row, d LLM width, e embedding, and j, m, n run over the k dimensions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, einsum, nn


class Intervention(nn.Module):
    """One intervention a prompted layer, for the rows at one end (prefix or suffix).

    Args:
        depth: number of prompted layers.
        llm_dim: D, width of the rows.
        embed_dim: E, width of the image feature.
        rank: k.
    """

    def __init__(self, depth: int, llm_dim: int, embed_dim: int, rank: int) -> None:
        super().__init__()
        layers = [self._layer(llm_dim, embed_dim, rank) for _ in range(depth)]
        self.rotate, self.source, self.source_bias, self.U1, self.a1, self.U2, self.a2 = (
            nn.Parameter(torch.stack(values)) for values in zip(*layers, strict=True)
        )

    @staticmethod
    def _layer(llm_dim: int, embed_dim: int, rank: int) -> tuple[Tensor, ...]:
        """Initial R, W, b, U1, a1, U2, a2 of a layer: R orthogonal, the others as torch's linear layers start."""
        source = nn.Linear(2 * llm_dim, rank)
        down, up = nn.Linear(embed_dim, rank), nn.Linear(rank, llm_dim)
        rotate = nn.init.orthogonal_(torch.empty(llm_dim, rank))
        linear = [t.detach() for layer in (source, down, up) for t in (layer.weight, layer.bias)]
        return (rotate, *linear)

    def forward(self, rows: Tensor, image_features: Tensor, A: Tensor, mask: Tensor | None = None) -> Tensor:
        """Coordinates a = A h' of the intervened rows, (layers, batch, n_cls, rows, k).

        Args:
            rows: h, (n_cls, rows, D).
            image_features: f, (batch, E), normalised.
            A: (layers, k, D).
            mask: dropout mask, (layers, batch or 1, n_cls, rows, D), entries 0 or 1 / (1 - p); None for no dropout.
        """
        W1, W2 = self.source.chunk(2, dim=-1)
        z = einsum("ije,be->ibj", self.U1, image_features) + self.a1[:, None]
        g = einsum("cld,ijd->iclj", rows, W1 + W2 * self.a2[:, None] - self.rotate.mT) + self.source_bias[:, None, None]
        # The D axis is summed against k * k vectors that no class or row enters, instead of k * D matrices a row.
        Q = einsum("cld,ijmd->icljm", rows, einsum("ijd,idm->ijmd", W2, self.U2))
        change = g[:, None] + einsum("icljm,ibm->ibclj", Q, z)
        if mask is None:
            return einsum("cld,ijd->iclj", rows, A)[:, None] + einsum("inj,ibclj->ibcln", A @ self.rotate, change)
        AR = einsum("ibcld,injd->ibclnj", mask, einsum("ind,idj->injd", A, self.rotate))
        return einsum("ibcld,ind->ibcln", mask * rows, A) + einsum("ibclnj,ibclj->ibcln", AR, change)

    def moved(self, rows: Tensor, image_features: Tensor) -> Tensor:
        """h' - h without dropout, (layers, batch, n_cls, rows, D): how far rows are moved, for looking inside."""
        W1, W2 = self.source.chunk(2, dim=-1)
        u = einsum("idm,ibm->ibd", self.U2, einsum("ije,be->ibj", self.U1, image_features) + self.a1[:, None])
        h, uh = rows, (u + self.a2[:, None])[:, :, None, None] * rows
        s = einsum("cld,ijd->iclj", h, W1)[:, None] + einsum("ibcld,ijd->ibclj", uh, W2)
        s = s + self.source_bias[:, None, None, None]
        return einsum("idj,ibclj->ibcld", self.rotate, s - einsum("cld,idj->iclj", h, self.rotate)[:, None])


class LowRankProjection(nn.Module):
    """p = B A h a prompted layer: rows of width D to tokens of width T through k dimensions."""

    def __init__(self, depth: int, llm_dim: int, width: int, rank: int) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.empty(depth, rank, llm_dim))
        self.B = nn.Parameter(torch.empty(depth, width, rank))
        for matrix in (*self.A, *self.B):
            nn.init.kaiming_uniform_(matrix.data, a=5**0.5)

    def coordinates(self, rows: Tensor) -> Tensor:
        """A h of rows (n_cls, rows, D): (layers, n_cls, rows, k)."""
        return einsum("cld,ijd->iclj", rows, self.A)


def dropout_mask(shape: tuple[int, ...], p: float, like: Tensor) -> Tensor:
    """Entries 0 with probability p, else 1 / (1 - p)."""
    return F.dropout(torch.ones(shape, dtype=like.dtype, device=like.device), p)
