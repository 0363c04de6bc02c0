"""Mixup (Zhang et al., ICLR 2018)."""

import torch
from torch import Tensor


def mixup(
    x1: Tensor, x2: Tensor, y1: Tensor, y2: Tensor, beta: float, preserve_order: bool = False
) -> tuple[Tensor, Tensor]:
    """Images (batch, c, h, w) and labels (batch, classes) mixed with one share an image, drawn from Beta(beta, beta).

    With `preserve_order` the first of each pair has the larger share.
    """
    share = torch.distributions.Beta(beta, beta).sample([len(x1), 1, 1, 1]).to(x1.device)
    if preserve_order:
        share = torch.maximum(share, 1 - share)
    row = share.flatten(1)
    return x1 * share + x2 * (1 - share), y1 * row + y2 * (1 - row)
