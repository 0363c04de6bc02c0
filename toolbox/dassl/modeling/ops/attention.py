"""Weights from channel means, as in dynamic domain generalisation (Sun et al., IJCAI 2022)."""

from torch import Tensor, nn


class Attention(nn.Module):
    """Maps (batch, in_channels, h, w) to weights (batch, out_features) of sum 1.

    Args:
        squeeze: width of the hidden layer, a sixteenth of the channels by default.
    """

    def __init__(self, in_channels: int, out_features: int, squeeze: int | None = None, bias: bool = True) -> None:
        super().__init__()
        self.squeeze = squeeze or in_channels // 16
        assert self.squeeze > 0, f"{in_channels} channels are too few to be squeezed; give `squeeze`"
        self.fc1 = nn.Linear(in_channels, self.squeeze, bias=bias)
        self.fc2 = nn.Linear(self.squeeze, out_features, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x.mean(dim=[2, 3])).relu()).softmax(dim=-1)
