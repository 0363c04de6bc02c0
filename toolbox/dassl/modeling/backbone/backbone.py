"""What a backbone promises."""

from torch import nn


class Backbone(nn.Module):
    """Images (batch, 3, height, width) -> features (batch, out_features); subclasses set `_out_features`."""

    _out_features: int | None = None

    @property
    def out_features(self) -> int | None:
        """Width of the features."""
        return self._out_features
