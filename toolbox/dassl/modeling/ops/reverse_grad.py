"""A layer whose gradient has the other sign (Ganin and Lempitsky, ICML 2015)."""

from typing import Any

from torch import Tensor, nn
from torch.autograd import Function


class _ReverseGrad(Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, grad_scaling: float) -> Tensor:
        ctx.factor = -grad_scaling
        return input.view_as(input)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        return ctx.factor * grad_output, None


reverse_grad = _ReverseGrad.apply


class ReverseGrad(nn.Module):
    """The identity, whose gradient is multiplied by -grad_scaling."""

    def forward(self, x: Tensor, grad_scaling: float = 1.0) -> Tensor:
        assert grad_scaling >= 0, f"grad_scaling is {grad_scaling}, and must not be below 0"
        return reverse_grad(x, grad_scaling)
