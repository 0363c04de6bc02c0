"""Distances between two batches by transport with entropy (Cuturi, NeurIPS 2013; Genevay et al., AISTATS 2018)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toolbox.metrics import euclidean_squared_distance


class OptimalTransport(nn.Module):
    """Costs between batches (n, dim) and (m, dim)."""

    @staticmethod
    def distance(batch1: Tensor, batch2: Tensor, dist_metric: str = "cosine") -> Tensor:
        """(n, m): 1 - cosine, or squared Euclidean distances ("euclidean", "fast_euclidean")."""
        if dist_metric == "cosine":
            return 1 - F.normalize(batch1, dim=1) @ F.normalize(batch2, dim=1).t()
        if dist_metric == "euclidean":
            return euclidean_squared_distance(batch1, batch2)
        if dist_metric == "fast_euclidean":
            return (batch1[..., :, None, :] - batch2[..., None, :, :]).square().sum(-1)
        raise ValueError(f"dist_metric {dist_metric!r}; known: cosine, euclidean, fast_euclidean")


class SinkhornDivergence(OptimalTransport):
    """Twice the cost of moving x to y, less that of moving each to itself.

    Args:
        eps: weight of the entropy.
        max_iter: iterations at most; fewer where a step changes the potentials by less than `thre`.
        bp_to_sinkhorn: gradients pass through the plan too, not only through the costs.
    """

    thre = 1e-3

    def __init__(
        self, dist_metric: str = "cosine", eps: float = 0.01, max_iter: int = 5, bp_to_sinkhorn: bool = False
    ) -> None:
        super().__init__()
        self.dist_metric, self.eps, self.max_iter, self.bp_to_sinkhorn = dist_metric, eps, max_iter, bp_to_sinkhorn

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return 2 * self.transport_cost(x, y) - self.transport_cost(x, x) - self.transport_cost(y, y)

    def transport_cost(self, x: Tensor, y: Tensor, return_pi: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Cost of the plan, a scalar; with `return_pi` the plan (n, m) as well."""
        costs = self.distance(x, y, self.dist_metric)
        plan = self.sinkhorn_iterate(costs, self.eps, self.max_iter, self.thre)
        cost = ((plan if self.bp_to_sinkhorn else plan.detach()) * costs).sum()
        return (cost, plan) if return_pi else cost

    @staticmethod
    def sinkhorn_iterate(C: Tensor, eps: float, max_iter: int, thre: float) -> Tensor:
        """The plan for costs C (n, m) between even weights, by iterations on the logarithms."""
        rows, columns = (torch.full((n,), 1 / n + 1e-8, dtype=C.dtype, device=C.device).log() for n in C.shape)
        u, v = C.new_zeros(len(rows)), C.new_zeros(len(columns))
        for _ in range(max_iter):
            before = u
            u = u + eps * (rows - torch.logsumexp((u[:, None] + v - C) / eps, dim=1))
            v = v + eps * (columns - torch.logsumexp((u[:, None] + v - C) / eps, dim=0))
            if (u - before).abs().sum().item() < thre:
                break
        return ((u[:, None] + v - C) / eps).exp()


class MinibatchEnergyDistance(SinkhornDivergence):
    """Between the halves of both batches: all four costs across, less twice each within (Salimans et al., ICLR 2018)."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        (x1, x2), (y1, y2) = (torch.split(batch, len(batch) // 2) for batch in (x, y))
        across = sum(self.transport_cost(a, b) for a in (x1, x2) for b in (y1, y2))
        return across - 2 * self.transport_cost(x1, x2) - 2 * self.transport_cost(y1, y2)
