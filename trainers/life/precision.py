"""The numbers a run computes in: TRAINER.<METHOD>.PREC."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from toolbox.errors import UserError
from vlm.prompts.prompted import PromptedCLIP

CHOICES = ("auto", "fp32", "fp16", "bf16", "amp")


class Precision:
    """Weights' dtype, autocast and loss scaling for one of `CHOICES`.

    fp32: everything in float32. fp16 / bf16: the frozen weights in half precision, trained parameters in float32.
    amp: weights in float32, matrix products in half precision (float16 on a GPU, bfloat16 on a CPU).
    auto: fp16 on a GPU, fp32 on a CPU. Where float16 gradients occur, the loss is scaled; overflows are counted.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        if name not in CHOICES:
            raise UserError(f"PREC is {name!r}; choose one of {', '.join(CHOICES)}")
        cuda = device.type == "cuda"
        self.name = ("fp16" if cuda else "fp32") if name == "auto" else name
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

    def step(self, loss: Tensor, optimizer: torch.optim.Optimizer, model: PromptedCLIP) -> None:
        """Backward pass and one optimiser step; a step whose scaled gradients overflow is skipped and counted."""
        optimizer.zero_grad()
        if self.scaler is None:
            model.backward(loss)
            _shorten(model)
            optimizer.step()
            return
        model.backward(loss, self.scaler.scale)
        if model.max_grad_norm > 0:
            self.scaler.unscale_(optimizer)
            _shorten(model)
        self.scaler.step(optimizer)
        before = self.scaler.get_scale()
        self.scaler.update()
        self.overflows += self.scaler.get_scale() < before


def _shorten(model: PromptedCLIP) -> None:
    if model.max_grad_norm > 0:
        nn.utils.clip_grad_norm_(model.parameters(), model.max_grad_norm)
