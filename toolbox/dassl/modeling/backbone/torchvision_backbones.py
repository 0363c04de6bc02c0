"""ResNets, VGG, AlexNet and EfficientNets of torchvision with their classifiers taken off."""

from typing import Any

import torchvision
from torch import Tensor, nn

from toolbox.errors import UserError

from .backbone import Backbone
from .build import BACKBONE_REGISTRY

_NAMES = [
    "alexnet",
    "vgg16",
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *(f"efficientnet_b{size}" for size in range(8)),
]


class TorchvisionBackbone(Backbone):
    """torchvision's model `name` without its last linear layer; `pretrained` fetches its ImageNet weights."""

    def __init__(self, name: str, pretrained: bool) -> None:
        super().__init__()
        try:
            self.model = torchvision.models.get_model(name, weights="DEFAULT" if pretrained else None)
        except OSError as error:  # URLError is one
            raise UserError(
                f"cannot download the weights of {name} ({error}): set MODEL.BACKBONE.PRETRAINED False, or place them in "
                "torch's hub folder (TORCH_HOME/hub/checkpoints)"
            ) from error
        last = self.model.fc if hasattr(self.model, "fc") else self.model.classifier[-1]
        self._out_features = last.in_features
        if hasattr(self.model, "fc"):
            self.model.fc = nn.Identity()
        else:
            self.model.classifier[-1] = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def register_torchvision_backbones() -> None:
    """Enter each name in BACKBONE_REGISTRY."""
    for name in _NAMES:

        def make(pretrained: bool = True, name: str = name, **kwargs: Any) -> TorchvisionBackbone:
            return TorchvisionBackbone(name, pretrained)

        make.__name__ = name
        BACKBONE_REGISTRY.register(make)
