"""Small functions on labels and probabilities, and ramps for weights of losses."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sharpen_prob(p: Tensor, temperature: float = 2) -> Tensor:
    """Probabilities (batch, classes) raised to the power `temperature` and scaled to sum 1 again."""
    return F.normalize(p.pow(temperature), p=1, dim=1)


def reverse_index(data: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Both from last to first along the batch."""
    return data.flip(0), label.flip(0)


def shuffle_index(data: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one drawn order."""
    order = torch.randperm(len(data))
    return data[order], label[order]


def create_onehot(label: Tensor, num_classes: int) -> Tensor:
    """Labels (batch,) as float rows (batch, num_classes)."""
    return F.one_hot(label.long(), num_classes).float()


def sigmoid_rampup(current: float, rampup_length: float) -> float:
    """exp(-5 (1 - t)^2) with t from 0 to 1 over `rampup_length` steps, then 1 (Laine and Aila, ICLR 2017)."""
    return math.exp(-5 * (1 - linear_rampup(current, rampup_length)) ** 2)


def linear_rampup(current: float, rampup_length: float) -> float:
    """From 0 to 1 over `rampup_length` steps, then 1."""
    assert rampup_length > 0
    return min(max(current / rampup_length, 0.0), 1.0)


@torch.no_grad()
def ema_model_update(model: nn.Module, ema_model: nn.Module, alpha: float) -> None:
    """Each parameter of `ema_model` becomes alpha times itself plus (1 - alpha) times `model`'s."""
    for kept, new in zip(ema_model.parameters(), model.parameters(), strict=True):
        kept.mul_(alpha).add_(new, alpha=1 - alpha)
