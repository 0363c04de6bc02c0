"""Fully connected layers on top of a backbone."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from toolbox.errors import UserError, nearest

from .build import HEAD_REGISTRY

_ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU}


class MLP(nn.Module):
    """(batch, in_features) -> (batch, hidden_layers[-1]): linear, batch norm, activation, dropout for each layer."""

    def __init__(
        self,
        in_features: int = 2048,
        hidden_layers: int | Sequence[int] = (),
        activation: str = "relu",
        bn: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        widths = [hidden_layers] if isinstance(hidden_layers, int) else list(hidden_layers)
        if not widths:
            raise UserError("MODEL.HEAD.HIDDEN_LAYERS: the mlp head needs at least one width")
        if activation not in _ACTIVATIONS:
            raise UserError(f'MODEL.HEAD.ACTIVATION: unknown "{activation}"; {nearest(activation, _ACTIVATIONS)}')
        self.out_features = widths[-1]
        layers: list[nn.Module] = []
        for fan_in, width in zip([in_features, *widths], widths, strict=False):
            layers.append(nn.Linear(fan_in, width))
            if bn:
                layers.append(nn.BatchNorm1d(width))
            layers.append(_ACTIVATIONS[activation](inplace=True))
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
        self.mlp = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x)


@HEAD_REGISTRY.register()
def mlp(**kwargs: Any) -> MLP:
    """An MLP head; see the class for its arguments."""
    return MLP(**kwargs)
