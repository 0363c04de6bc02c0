"""Attention of tokens over keys and values that lie in one tensor."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def attend(
    q: Tensor,
    kv: Tensor,
    heads: int,
    mask: Tensor | None = None,
    attention: Callable[..., Tensor] = F.scaled_dot_product_attention,
) -> Tensor:
    """What queries read.

    Args:
        q: (batch, n, width).
        kv: keys and values side by side, (batch, keys, 2 * width).
        mask: added to the scores, (batch or 1, 1, n, keys).
        attention: of (batch, heads, n, d) over keys and values (batch, heads, keys, d).

    Returns:
        (batch, n, width)
    """
    q = q.unflatten(-1, (heads, -1)).transpose(1, 2)
    k, v = (part.transpose(1, 2) for part in kv.unflatten(-1, (2, heads, -1)).unbind(2))
    masked = {} if mask is None else {"attn_mask": mask}
    return attention(q, k, v, **masked).transpose(1, 2).flatten(2)


def causal_mask(n: int, device: torch.device) -> Tensor:
    """(n, n) with -inf above the diagonal: a token sees itself and what stands before it."""
    return torch.full((n, n), float("-inf"), device=device).triu(1)
