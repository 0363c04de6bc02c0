"""CILMP's conditional low-rank intervention, computed in its k dimensions.

For a row h (D wide) and a normalised image feature f (E wide), arXiv 2511.12639:

    u  = U2 (U1 f + a1) + a2
    s  = W1 h + W2 (u * h) + b
    h' = dropout(h + R (s - R^T h))          LoReFT, conditioned on the image
    p  = B A h'                              low-rank projection to the text width

Nobody needs h' itself, only its k coordinates A h'. With h fixed and m the dropout mask (already scaled):

    s - R^T h = g + Q z                      z = U1 f + a1,   g = (W1 + W2 diag(a2) - R^T) h + b,   Q = W2 diag(h) U2
    A h'      = A (m * h) + (A diag(m) R) (g + Q z) = c + M z

c (k) and M (k x k) of each row are made once a step for all images, and once for a whole evaluation; an image then costs
one k x k product a row and never touches D. All layers' parameters are stacked along a first axis, so all layers are
computed together.
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

    def prepare(self, rows: Tensor, A: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """c and M of all rows, (layers, images, n * k) and (layers, images, n * k, k), for what does not depend on images.

        Args:
            rows: h, (n, D).
            A: (layers, k, D).
            mask: dropout mask, (layers, images, n, D), entries 0 or 1 / (1 - p), with images 1 where the whole batch shares
                it; None for no dropout.
        """
        W1, W2 = self.source.chunk(2, dim=-1)
        R = self.rotate.mT
        # The D axis is summed against k * k vectors that no row enters, instead of k * D matrices a row.
        pairs = W2[:, :, None] * self.U2.mT[:, None]
        g = _on_rows(torch.addcmul(W1, W2, self.a2[:, None]) - R, rows, self.source_bias[:, None])
        Q = _on_rows(pairs.flatten(1, 2), rows)
        layers, n, k = g.shape
        if mask is None:
            AR = (A @ self.rotate)[:, None].expand(-1, n, -1, -1)
            still, images = _on_rows(A, rows), 1
        else:
            images = mask.shape[1]
            AR = mask.flatten(1, 2) @ (A[:, :, None] * R[:, None]).flatten(1, 2).mT
            still = (mask * rows).flatten(1, 2) @ A.mT
        # One k x k product for each layer, image (or all of them) and row.
        AR = AR.reshape(-1, k, k)
        g, Q = (x.expand(-1, images, -1, -1, -1).reshape(-1, k, x.shape[-1]) for x in _a_row(g, Q))
        c = torch.baddbmm(still.reshape(-1, k, 1), AR, g)
        return c.view(layers, images, -1), torch.bmm(AR, Q).view(layers, images, n * k, k)

    def forward(self, prepared: tuple[Tensor, Tensor], image_features: Tensor) -> Tensor:
        """Coordinates A h' of the rows for each image, (layers, batch, n, k).

        Args:
            prepared: what `prepare` gave.
            image_features: f, (batch, E), normalised.
        """
        c, M = prepared
        layers, images, _, k = M.shape
        z = F.linear(image_features, self.U1.flatten(0, 1), self.a1.flatten())
        z = z.unflatten(1, (layers, k)).transpose(0, 1).reshape(layers * images, -1, k)
        a = torch.baddbmm(c.flatten(0, 1)[:, None], z, M.flatten(0, 1).mT)
        return a.view(layers, image_features.shape[0], -1, k)

    def moved(self, rows: Tensor, image_features: Tensor) -> Tensor:
        """h' - h without dropout, (layers, batch, n_cls, rows, D) of rows (n_cls, rows, D): how far they are moved, for
        looking inside."""
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
        """A h of rows (n, D): (layers, n, k)."""
        return _on_rows(self.A, rows)


def _on_rows(weight: Tensor, rows: Tensor, bias: Tensor | None = None) -> Tensor:
    """Linear maps (layers, out, D) of rows (n, D), each plus its bias (layers, 1, out): (layers, n, out)."""
    rows = rows.expand(len(weight), -1, -1)
    return rows @ weight.mT if bias is None else torch.baddbmm(bias, rows, weight.mT)


def _a_row(g: Tensor, Q: Tensor) -> tuple[Tensor, Tensor]:
    """(layers, n, k) and (layers, n, k * k) as (layers, 1, n, k, 1) and (layers, 1, n, k, k)."""
    return g[:, None, :, :, None], Q.unflatten(-1, (g.shape[-1], -1))[:, None]


def dropout_mask(shape: tuple[int, ...], p: float, like: Tensor) -> Tensor:
    """Entries 0 with probability p, else 1 / (1 - p)."""
    return F.dropout(torch.ones(shape, dtype=like.dtype, device=like.device), p)
