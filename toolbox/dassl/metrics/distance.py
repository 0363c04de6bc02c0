"""Distance matrices between two sets of feature vectors."""

import torch
from torch.nn import functional as F

from toolbox.errors import UserError, nearest
from toolbox.metrics import euclidean_squared_distance

__all__ = ["compute_distance_matrix", "cosine_distance", "euclidean_squared_distance"]


def compute_distance_matrix(input1: torch.Tensor, input2: torch.Tensor, metric: str = "euclidean") -> torch.Tensor:
    """Distances (n, m) between the rows of `input1` (n, dim) and `input2` (m, dim): squared euclidean, or cosine."""
    metrics = {"euclidean": euclidean_squared_distance, "cosine": cosine_distance}
    if metric not in metrics:
        raise UserError(f'unknown distance "{metric}"; {nearest(metric, metrics)}')
    if input1.dim() != 2 or input2.dim() != 2 or input1.shape[1] != input2.shape[1]:
        raise ValueError(f"need (n, dim) and (m, dim), not {tuple(input1.shape)} and {tuple(input2.shape)}")
    return metrics[metric](input1, input2)


def cosine_distance(input1: torch.Tensor, input2: torch.Tensor) -> torch.Tensor:
    """1 - cos(a, b) for all pairs of rows, (n, m)."""
    return 1 - F.normalize(input1, dim=1) @ F.normalize(input2, dim=1).t()
