"""Transferable normalisation (Wang et al., NeurIPS 2019): statistics of a source and a target half of the batch."""

import torch
from torch import Tensor, nn


class _TransNorm(nn.Module):
    """In training the first half of a batch is the source, the second the target; in evaluation all is target.

    Args:
        num_features: channels.
        eps: added to a variance.
        momentum: what running statistics keep of themselves in a step.
        adaptive_alpha: channels in which both domains look alike count for more.
    """

    dims = 0

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, adaptive_alpha: bool = True
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum, self.adaptive_alpha = num_features, eps, momentum, adaptive_alpha
        for domain in "st":
            self.register_buffer(f"running_mean_{domain}", torch.zeros(num_features))
            self.register_buffer(f"running_var_{domain}", torch.ones(num_features))
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))

    def resnet_running_stats(self) -> None:
        """Forget the running statistics (the name is Dassl's)."""
        for domain in "st":
            getattr(self, f"running_mean_{domain}").zero_()
            getattr(self, f"running_var_{domain}").fill_(1)

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() != self.dims:
            raise ValueError(f"expected {self.dims} dimensions, got {input.dim()}")
        if self.training:
            halves = torch.split(input, len(input) // 2)
            statistics = [self._measure(half, domain) for half, domain in zip(halves, "st", strict=True)]
            output = torch.cat([self._scaled(half, *s) for half, s in zip(halves, statistics, strict=True)])
        else:
            statistics = [(getattr(self, f"running_mean_{d}"), getattr(self, f"running_var_{d}")) for d in "st"]
            output = self._scaled(input, *statistics[1])
        return output * (1 + self._shape(self._alpha(*statistics))).detach() if self.adaptive_alpha else output

    def _measure(self, x: Tensor, domain: str) -> tuple[Tensor, Tensor]:
        rows = x.transpose(0, 1).flatten(1)
        found = rows.mean(1), rows.var(1)
        for name, value in zip(("mean", "var"), found, strict=True):
            kept = getattr(self, f"running_{name}_{domain}")
            kept.mul_(self.momentum).add_((1 - self.momentum) * value.detach())
        return found

    def _scaled(self, x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        normal = (x - self._shape(mean)) / (self._shape(var) + self.eps).sqrt()
        return normal * self._shape(self.weight) + self._shape(self.bias)

    def _alpha(self, source: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
        ratios = [mean / (var + self.eps).sqrt() for mean, var in (source, target)]
        alike = 1 / (1 + (ratios[0] - ratios[1]).abs())
        return self.num_features * alike / alike.sum()

    def _shape(self, x: Tensor) -> Tensor:
        return x.view(1, -1, *[1] * (self.dims - 2))


class TransNorm1d(_TransNorm):
    """Of vectors (batch, num_features)."""

    dims = 2


class TransNorm2d(_TransNorm):
    """Of maps (batch, num_features, h, w)."""

    dims = 4
