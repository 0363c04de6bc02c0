"""The numbers a run computes in: TRAINER.<METHOD>.PREC."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from toolbox.errors import UserError

Rule = Callable[[Tensor, Callable[[Tensor], Tensor]], None]
"""How gradients come from a loss, given what losses are scaled by; see `PromptedCLIP.backward`."""

CHOICES = ("auto", "fp32", "fp16", "bf16", "amp")


def plain(loss: Tensor, scaled: Callable[[Tensor], Tensor]) -> None:
    """Those of the loss itself."""
    scaled(loss).backward()


class Precision:
    """Weights' dtype, autocast and loss scaling for one of `CHOICES`.

    fp32: everything in float32. fp16 / bf16: the frozen weights in half precision, trained parameters in float32.
    amp: weights in float32, matrix products in half precision (float16 on a GPU, bfloat16 on a CPU).
    auto: on a GPU bf16 where the card computes in it, else fp16; fp32 on a CPU. Where float16 gradients occur, the loss is
    scaled and overflows are counted, for which the host waits once a step.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        if name not in CHOICES:
            raise UserError(f"PREC is {name!r}; choose one of {', '.join(CHOICES)}")
        cuda = device.type == "cuda"
        half = "bf16" if cuda and _has_bf16() else "fp16"
        self.name = (half if cuda else "fp32") if name == "auto" else name
        self.device_type = device.type
        self.weights = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(self.name, torch.float32)
        self._half = torch.float16 if cuda else torch.bfloat16
        scaled = self.name == "fp16" or (self.name == "amp" and cuda)
        # torch's own start, 2^16, overflows in the first steps of prompts' large gradients: steps a short run cannot spare.
        self.scaler = torch.amp.GradScaler(device.type, init_scale=2.0**10) if scaled else None
        self.overflows = 0

    def context(self) -> AbstractContextManager:
        """Where the forward pass runs."""
        return torch.autocast(self.device_type, dtype=self._half) if self.name == "amp" else nullcontext()

    def backward(self, loss: Tensor, rule: Rule = plain) -> None:
        """Backward pass, scaled where it must be."""
        rule(loss, self.scaler.scale if self.scaler is not None else lambda loss: loss)

    def update(self, optimizer: torch.optim.Optimizer, max_norm: float = 0.0) -> None:
        """The optimiser's step; one whose scaled gradients overflow is skipped and counted.

        Args:
            max_norm: gradients of all that is trained, taken together, are cut to this length; 0 leaves them.
        """
        if max_norm > 0:
            if self.scaler is not None:
                self.scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], max_norm)
        if self.scaler is None:
            optimizer.step()
            return
        self.scaler.step(optimizer)
        before = self.scaler.get_scale()
        self.scaler.update()
        self.overflows += self.scaler.get_scale() < before

    def step(self, loss: Tensor, optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
        """Backward pass and one optimiser step."""
        optimizer.zero_grad()
        self.backward(loss)
        self.update(optimizer)


def _has_bf16() -> bool:
    """Whether the card computes in bfloat16 itself."""
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
