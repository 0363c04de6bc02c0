"""Images times classes in pieces that fit a memory budget, for text features that depend on the image."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

BUDGET = 64 << 20  # bytes that the tokens of one chunk may take in each layer


def images_per_chunk(tokens: int, width: int, element_size: int, budget: int = BUDGET) -> int:
    """How many images fit `budget` bytes when each brings `tokens` tokens of `width`; at least one."""
    # The MLP's hidden layer, 4 x width, is the widest thing computed for each token.
    return max(1, budget // (tokens * 4 * width * element_size))


def in_chunks(function: Callable[[Tensor], Tensor], batch: Tensor, size: int, dim: int = 0) -> Tensor:
    """`function` over pieces of `batch` of `size` along `dim`, put together along axis 0.

    Where several pieces need gradients, each is computed again in the backward pass, so that one at a time is in memory.
    """
    pieces = batch.split(size, dim=dim)
    if len(pieces) == 1:
        return function(batch)
    if torch.is_grad_enabled():
        return torch.cat([checkpoint(function, piece, use_reentrant=False) for piece in pieces])
    return torch.cat([function(piece) for piece in pieces])
