"""Maximum mean discrepancy between two batches (Gretton et al., JMLR 2012)."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toolbox.metrics import euclidean_squared_distance


class MaximumMeanDiscrepancy(nn.Module):
    """Mean kernel within x, plus within y, minus twice between them, for x and y (batch, dim).

    Args:
        kernel_type: linear, poly or rbf.
        normalize: scale vectors to length 1 first.
    """

    def __init__(self, kernel_type: str = "rbf", normalize: bool = False) -> None:
        super().__init__()
        self.kernel_type, self.normalize = kernel_type, normalize

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        if self.normalize:
            x, y = F.normalize(x, dim=1), F.normalize(y, dim=1)
        kinds = {"linear": self.linear_mmd, "poly": self.poly_mmd, "rbf": self.rbf_mmd}
        if self.kernel_type not in kinds:
            raise NotImplementedError(f"kernel_type {self.kernel_type!r}; known: {', '.join(kinds)}")
        return kinds[self.kernel_type](x, y)

    def linear_mmd(self, x: Tensor, y: Tensor) -> Tensor:
        return self._mmd(x, y, _products)

    def poly_mmd(self, x: Tensor, y: Tensor, alpha: float = 1.0, c: float = 2.0, d: int = 2) -> Tensor:
        return self._mmd(x, y, lambda a, b: (alpha * _products(a, b) + c).pow(d))

    def rbf_mmd(self, x: Tensor, y: Tensor) -> Tensor:
        return self._mmd(x, y, lambda a, b: self.rbf_kernel_mixture(euclidean_squared_distance(a, b)))

    def _mmd(self, x: Tensor, y: Tensor, kernel: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        within = [self.remove_self_distance(kernel(batch, batch)).mean() for batch in (x, y)]
        return within[0] + within[1] - 2 * kernel(x, y).mean()

    @staticmethod
    def rbf_kernel_mixture(exponent: Tensor, sigmas: Sequence[float] = (1, 5, 10)) -> Tensor:
        """Sum of Gaussian kernels of squared distances."""
        return sum(torch.exp(-exponent / (2 * sigma**2)) for sigma in sigmas)

    @staticmethod
    def remove_self_distance(distmat: Tensor) -> Tensor:
        """(n, n) without its diagonal, (n, n - 1)."""
        n = len(distmat)
        others = ~torch.eye(n, dtype=torch.bool, device=distmat.device)
        return distmat[others].view(n, n - 1)


def _products(x: Tensor, y: Tensor) -> Tensor:
    return x @ y.t()
