"""Images times classes in pieces that fit a memory budget, for text features that depend on the image."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from vlm.towers.text import TextTower

BUDGET = 2 << 30  # bytes that what is computed together may keep for the backward pass, all layers summed

Piece = TypeVar("Piece")


def kept(text: TextTower, tokens: int, keys: int) -> int:
    """Bytes that a pass of `tokens` tokens over `keys` keys keeps: of all layers with gradients, otherwise of one."""
    # A token's input, query, key, value, what it attended to, the sum, and the MLP's hidden layer of 4 x width; keys and
    # values, and their gradients, which wait for those of the other layers.
    values = (10 * tokens + 4 * keys) * text.width
    return values * text.token_embedding.element_size() * (text.depth if torch.is_grad_enabled() else 1)


def in_chunks(
    function: Callable[..., Tensor], pieces: Sequence[Piece], *shared: Tensor, dim: int = 0, random: bool = False
) -> Tensor:
    """`function` of each piece and of what all pieces share, put together along `dim`.

    Where several pieces need gradients, each is computed again in the backward pass, so that one at a time is in memory.
    With `random`, it draws the same random numbers again; to keep their state is not possible in a CUDA graph.

    Args:
        shared: large tensors. Those that `function` merely closes over stay in memory until the backward pass even
            where they are made within another piece, to be computed again.
    """
    if len(pieces) == 1:
        return function(pieces[0], *shared)
    if torch.is_grad_enabled():
        kept_state = {"use_reentrant": False, "preserve_rng_state": random}
        return torch.cat([checkpoint(function, piece, *shared, **kept_state) for piece in pieces], dim)
    return torch.cat([function(piece, *shared) for piece in pieces], dim)
