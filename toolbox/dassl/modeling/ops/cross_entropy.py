"""Cross entropy with smoothed labels."""

import torch.nn.functional as F
from torch import Tensor


def cross_entropy(input: Tensor, target: Tensor, label_smooth: float = 0, reduction: str = "mean") -> Tensor:
    """Loss of logits (batch, classes) and labels (batch,); `label_smooth` of each label goes to all classes evenly."""
    return F.cross_entropy(input, target.to(input.device), label_smoothing=label_smooth, reduction=reduction)
