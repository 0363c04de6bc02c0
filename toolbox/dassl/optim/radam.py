"""RAdam (Liu et al., ICLR 2020) and AdamW under Dassl's names; both are torch's."""

from collections.abc import Callable, Iterable
from typing import Any

import torch

from toolbox.errors import UserError


class RAdam(torch.optim.RAdam):
    """Weight decay is decoupled; steps too early to be rectified are SGD with momentum (`degenerated_to_sgd`)."""

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        degenerated_to_sgd: bool = True,
    ) -> None:
        if not degenerated_to_sgd:
            raise UserError(
                "RAdam without degenerated_to_sgd would leave weights alone for its first steps; torch has no such form"
            )
        super().__init__(params, lr, betas, eps, weight_decay, decoupled_weight_decay=True)


PlainRAdam = RAdam
"""Dassl's second form computes the same numbers without keeping some."""


class AdamW(torch.optim.AdamW):
    """The rate rises from 0 in a straight line over the first `warmup` steps."""

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        warmup: int = 0,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)
        self.warmup, self.steps = warmup, 0

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        self.steps += 1
        rates = [group["lr"] for group in self.param_groups]
        try:
            if self.steps < self.warmup:
                for group in self.param_groups:
                    group["lr"] = 1e-8 + group["lr"] * self.steps / self.warmup
            return super().step(closure)
        finally:
            for group, rate in zip(self.param_groups, rates, strict=True):
                group["lr"] = rate

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        own = dict(state_dict)
        self.steps = own.pop("steps", 0)
        super().load_state_dict(own)
