"""What training of the small CLIP asks for: captions beside the images they hold of, and each fact to be read off a feature."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlm.small_clip.captions import ADJECTIVES, CLAUSES

ASPECTS: dict[str, list[str]] = {}
for _aspect, _value in (*ADJECTIVES, *CLAUSES):
    ASPECTS.setdefault(_aspect, [])
    if _value not in ASPECTS[_aspect]:
        ASPECTS[_aspect].append(_value)
UNTOLD = -100  # cross-entropy's default of labels to pass over


def fact_labels(seen: list[dict[str, str]]) -> Tensor:
    """Facts as labels (n, aspects) in the order of `ASPECTS`; `UNTOLD` where an aspect is not among an item's facts."""
    rows = [[v.index(one[a]) if a in one else UNTOLD for a, v in ASPECTS.items()] for one in seen]
    return torch.tensor(rows)


class FactHeads(nn.Module):
    """A direction of the joint space for every value of every aspect, shared by both towers and thrown away after training.

    It lets the image tower learn from the drawing's facts at once, before the text tower has learned to read.
    """

    def __init__(self, embed: int, scale: float = 20.0) -> None:
        super().__init__()
        self.scale = scale
        self.sizes = [len(values) for values in ASPECTS.values()]
        self.directions = nn.Parameter(torch.randn(sum(self.sizes), embed) * embed**-0.5)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy over the facts told: features (n, embed), labels (n, aspects)."""
        logits = self.scale * F.normalize(features.float(), dim=1) @ F.normalize(self.directions, dim=1).T
        parts = logits.split(self.sizes, dim=1)
        total = sum(F.cross_entropy(part, labels[:, i], reduction="sum") for i, part in enumerate(parts))
        return total / (labels != UNTOLD).sum()


def contrastive_loss(image: Tensor, text: Tensor, scale: Tensor, truth: Tensor) -> Tensor:
    """CLIP's cross-entropy in both directions (Radford et al., ICML 2021), targets even over the true pairs.

    image (batch, embed), text (count, embed), truth (batch, count); an image of which no caption holds is a wrong answer only.
    """
    logits = scale * F.normalize(image.float(), dim=1) @ F.normalize(text.float(), dim=1).T
    return (_spread_cross_entropy(logits, truth) + _spread_cross_entropy(logits.T, truth.T)) / 2


def _spread_cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    told = truth.any(dim=1)
    target = truth[told].float()
    return F.cross_entropy(logits[told], target / target.sum(dim=1, keepdim=True))
