"""Two measures that the bundled Dassl offers and stock Dassl is mended with."""

import torch


def compute_accuracy(
    output: torch.Tensor | tuple | list,
    target: torch.Tensor,
    topk: tuple[int, ...] = (1,),
) -> list[torch.Tensor]:
    """Percentage of rows of `output` (batch, n_cls) with `target` (batch,) among the k best, a (1,) tensor a k.

    Of a tuple or list the first member counts.
    """
    logits = output[0] if isinstance(output, tuple | list) else output
    best = logits.topk(max(topk), dim=1).indices  # (batch, max k), best first
    hits = best.eq(target.unsqueeze(1))
    return [hits[:, :k].any(dim=1).float().mean().mul(100.0).reshape(1) for k in topk]


def euclidean_squared_distance(input1: torch.Tensor, input2: torch.Tensor) -> torch.Tensor:
    """|a - b|^2 for all pairs of rows of `input1` (n, dim) and `input2` (m, dim): (n, m)."""
    squares = input1.pow(2).sum(dim=1, keepdim=True) + input2.pow(2).sum(dim=1)
    return squares - 2 * input1 @ input2.t()
