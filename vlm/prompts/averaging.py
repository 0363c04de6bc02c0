"""Gaussian prompt averaging: a weighted mean of parameters over the epochs (PromptSRC, ICCV 2023; CILMP)."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def gaussian_weights(epochs: int, mean: float, std: float) -> Tensor:
    """Weights of epochs 1..epochs, proportional to N(epoch; mean, std), summing to 1; float64, (epochs,)."""
    epoch = torch.arange(1, epochs + 1, dtype=torch.float64)
    return torch.softmax(-0.5 * ((epoch - mean) / std) ** 2, dim=0)


class GaussianAverage:
    """Running weighted sum of parameters; call `add` at the end of every epoch and `apply` after the last.

    Args:
        parameters: what is averaged, by name; anything else keeps its last value.
        epochs: N, the number of epochs that will be added.
        mean, std: of the Gaussian over epochs.
    """

    def __init__(self, parameters: Iterable[tuple[str, nn.Parameter]], epochs: int, mean: float, std: float) -> None:
        self.parameters = dict(parameters)
        self.weights = gaussian_weights(epochs, mean, std)
        self.sums = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in self.parameters.items()}
        self.added = 0

    @torch.no_grad()
    def add(self) -> None:
        weight = self.weights[self.added].item()
        for name, parameter in self.parameters.items():
            self.sums[name] += weight * parameter.to(torch.float64)
        self.added += 1

    @torch.no_grad()
    def apply(self) -> None:
        """Put the averages into the parameters."""
        for name, parameter in self.parameters.items():
            parameter.copy_(self.sums[name])

    def state_dict(self) -> dict:
        return {"added": self.added, "sums": self.sums}

    def load_state_dict(self, state: dict) -> None:
        self.added = state["added"]
        for name, value in state["sums"].items():
            self.sums[name].copy_(value)
