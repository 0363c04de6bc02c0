"""What MixStyle and EFDMix share: when they act, and with whom an image is mixed."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn


class Mixing(nn.Module):
    """In training and while switched on, acts on a batch with probability `p`.

    Args:
        p: probability that a batch is mixed.
        alpha: an image keeps a share of its own style from Beta(alpha, alpha).
        eps: added to a variance.
        mix: "random": with any image of the batch; "crossdomain": one of the first half with one of the second.
    """

    def __init__(self, p: float = 0.5, alpha: float = 0.1, eps: float = 1e-6, mix: str = "random") -> None:
        super().__init__()
        self.p, self.alpha, self.eps, self.mix = p, alpha, eps, mix
        self.beta = torch.distributions.Beta(alpha, alpha)
        self._activated = True

    def extra_repr(self) -> str:
        return f"p={self.p}, alpha={self.alpha}, eps={self.eps}, mix={self.mix}"

    def set_activation_status(self, status: bool = True) -> None:
        self._activated = status

    def update_mix_method(self, mix: str = "random") -> None:
        self.mix = mix

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self._activated) or random.random() > self.p:
            return x
        share = self.beta.sample((len(x), 1, 1, 1)).to(x.device)
        return self.mixed(x, share, self._partners(len(x)))

    def mixed(self, x: Tensor, share: Tensor, partners: Tensor) -> Tensor:
        """Maps x (batch, c, h, w) with `share` (batch, 1, 1, 1) of their own style and the rest of their partners'."""
        raise NotImplementedError

    def _partners(self, n: int) -> Tensor:
        if self.mix == "random":
            return torch.randperm(n)
        if self.mix == "crossdomain":
            halves = torch.arange(n - 1, -1, -1).chunk(2)
            return torch.cat([half[torch.randperm(len(half))] for half in halves])
        raise NotImplementedError(f"mix {self.mix!r}; known: random, crossdomain")


def switches(kind: type[Mixing]) -> tuple[Callable[[nn.Module], None], ...]:
    """Functions for `model.apply`: off, on, mix at random, mix across domains; each touches modules of `kind` alone."""

    def on_each(change: Callable[[Mixing], None]) -> Callable[[nn.Module], None]:
        return lambda module: change(module) if type(module) is kind else None

    return (
        on_each(lambda m: m.set_activation_status(False)),
        on_each(lambda m: m.set_activation_status(True)),
        on_each(lambda m: m.update_mix_method("random")),
        on_each(lambda m: m.update_mix_method("crossdomain")),
    )


@contextmanager
def switched_off(model: nn.Module, off: Callable, on: Callable) -> Iterator[None]:
    """Inside, the mixing of `model` is off; behind, it is on."""
    try:
        model.apply(off)
        yield
    finally:
        model.apply(on)


def switched_on(model: nn.Module, mix: str | None, functions: tuple[Callable, ...]) -> AbstractContextManager[None]:
    """Inside, the mixing of `model` is on, by the method `mix` where one is named; behind, it is off."""
    off, on, at_random, across = functions
    named = {"random": at_random, "crossdomain": across}
    if mix in named:
        model.apply(named[mix])
    return switched_off(model, on, off)
