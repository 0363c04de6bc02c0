"""Distance matrices between two sets of feature vectors."""

import torch
from torch.nn import functional as F

from toolbox.errors import UserError, nearest


def compute_distance_matrix(input1: torch.Tensor, input2: torch.Tensor, metric: str = "euclidean") -> torch.Tensor:
    """Distances (n, m) between the rows of `input1` (n, dim) and `input2` (m, dim): squared euclidean, or cosine."""
    metrics = {"euclidean": euclidean_squared_distance, "cosine": cosine_distance}
    if metric not in metrics:
        raise UserError(f'unknown distance "{metric}"; {nearest(metric, metrics)}')
    if input1.dim() != 2 or input2.dim() != 2 or input1.shape[1] != input2.shape[1]:
        raise ValueError(f"need (n, dim) and (m, dim), not {tuple(input1.shape)} and {tuple(input2.shape)}")
    return metrics[metric](input1, input2)


def euclidean_squared_distance(input1: torch.Tensor, input2: torch.Tensor) -> torch.Tensor:
    """|a - b|^2 for all pairs of rows, (n, m)."""
    squares = input1.pow(2).sum(dim=1, keepdim=True) + input2.pow(2).sum(dim=1)
    return squares - 2 * input1 @ input2.t()


def cosine_distance(input1: torch.Tensor, input2: torch.Tensor) -> torch.Tensor:
    """1 - cos(a, b) for all pairs of rows, (n, m)."""
    return 1 - F.normalize(input1, dim=1) @ F.normalize(input2, dim=1).t()
