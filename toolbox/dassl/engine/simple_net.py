"""The default model of a trainer: backbone, optional head, linear classifier."""

from typing import Any

from torch import Tensor, nn
from yacs.config import CfgNode

from dassl.modeling import build_backbone, build_head


class SimpleNet(nn.Module):
    """Images (batch, 3, height, width) -> logits (batch, num_classes), or features where num_classes is 0."""

    def __init__(self, cfg: CfgNode, model_cfg: CfgNode, num_classes: int, **kwargs: Any) -> None:
        super().__init__()
        self.backbone = build_backbone(
            model_cfg.BACKBONE.NAME, verbose=cfg.VERBOSE, pretrained=model_cfg.BACKBONE.PRETRAINED, **kwargs
        )
        self._fdim = self.backbone.out_features
        self.head = None
        head = model_cfg.HEAD
        if head.NAME and head.HIDDEN_LAYERS:
            self.head = build_head(
                head.NAME,
                verbose=cfg.VERBOSE,
                in_features=self._fdim,
                hidden_layers=head.HIDDEN_LAYERS,
                activation=head.ACTIVATION,
                bn=head.BN,
                dropout=head.DROPOUT,
                **kwargs,
            )
            self._fdim = self.head.out_features
        self.classifier = nn.Linear(self._fdim, num_classes) if num_classes > 0 else None

    @property
    def fdim(self) -> int:
        """Width of the features that enter the classifier."""
        return self._fdim

    def forward(self, x: Tensor, return_feature: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Logits; with `return_feature` the features (batch, fdim) as well."""
        features = self.backbone(x)
        if self.head is not None:
            features = self.head(features)
        if self.classifier is None:
            return features
        logits = self.classifier(features)
        return (logits, features) if return_feature else logits
