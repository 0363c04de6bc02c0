"""Tip-Adapter: a cache of training images beside zero-shot CLIP, nothing trained (Zhang et al., ECCV 2022)."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import TEMPLATES_HELP, PromptTrainer
from trainers.zsclip import ZeroshotModel
from vlm.backbone import Backbone
from vlm.towers.block import unit


class TipAdapterModel(ZeroshotModel):
    """Zero-shot logits + alpha * exp(-beta (1 - f K^T)) L, for image features f (batch, embed_dim).

    K (n, embed_dim) are the training images' features, L (n, n_cls) their labels, one-hot.
    """

    for_classes = True

    def __init__(self, clip: Backbone, classnames: Sequence[str], templates: Sequence[str]) -> None:
        super().__init__(clip, classnames, templates)
        self.n_cls = len(classnames)
        self.register_buffer("keys", torch.zeros(0, clip.embed_dim))
        self.register_buffer("labels", torch.zeros(0, dtype=torch.long))
        self.register_buffer("alpha", torch.tensor(1.0))
        self.register_buffer("beta", torch.tensor(5.5))

    def classify(self, image_features: Tensor) -> Tensor:
        return super().classify(image_features) + self.alpha * self.cached(image_features, self.beta)

    def cached(self, image_features: Tensor, beta: Tensor | float) -> Tensor:
        """Votes of the cached images for their classes, (batch, n_cls)."""
        affinity = torch.exp(-beta * (1 - image_features @ self.keys.T))
        return affinity @ F.one_hot(self.labels, self.n_cls).to(affinity.dtype)

    def make_room(self, state: Mapping[str, Tensor]) -> None:
        for name in ("keys", "labels"):
            if name in state:
                setattr(self, name, torch.zeros_like(state[name], device=getattr(self, name).device))


@TRAINER_REGISTRY.register()
class TipAdapter(PromptTrainer):
    """Keys are features averaged over augmented views; alpha and beta are searched on validation images."""

    section = "TIPADAPTER"
    folder = "tip_adapter"
    defaults = {
        "TEMPLATES": Option("all", TEMPLATES_HELP),
        "AUGMENT_EPOCH": Option(10, "augmented views of each training image; 0 takes the images themselves", 0, 10_000),
        "INIT_ALPHA": Option(1.0, "weight of the cache where there are no validation images to search it on", 0.0, 1e6),
        "INIT_BETA": Option(5.5, "sharpness of the cache, likewise", 0.0, 1e6),
        "SEARCH_SCALE": Option((12.0, 5.0), "beta and alpha below which a grid is searched", 0.1, 1e6),
        "SEARCH_STEP": Option((200, 20), "how many of each are tried", 1, 100_000),
    }
    trains = False
    chooses = True

    def make_model(self, clip: Backbone, classnames: list[str]) -> TipAdapterModel:
        return TipAdapterModel(clip, classnames, self.templates())

    def fit(self) -> None:
        items, model = self.dm.dataset.train_x, self.model
        views = [self.view(items, i) for i in range(self.options.AUGMENT_EPOCH)] or [self.image_features(items)]
        model.keys = unit(sum(view.raw for view in views))
        model.labels = torch.tensor([item.label for item in items], device=self.device)
        alpha, beta = self.options.INIT_ALPHA, self.options.INIT_BETA
        if self.dm.dataset.val:
            val = self.image_features(self.dm.dataset.val)
            beta, alpha = search(model, val.values, val.labels, self.options.SEARCH_SCALE, self.options.SEARCH_STEP)
        model.alpha.fill_(alpha)
        model.beta.fill_(beta)
        print(f"Cache of {len(items)} images, alpha = {alpha:.2f}, beta = {beta:.2f}")


@torch.no_grad()
def search(
    model: TipAdapterModel, features: Tensor, labels: Tensor, scale: Sequence[float], step: Sequence[int]
) -> tuple[float, float]:
    """The beta and alpha that are best on features (n, embed_dim); of equals, the first, beta before alpha.

    Args:
        scale: where the grids of beta and alpha end (itself not tried); they start at 0.1.
        step: how many of each are tried.
    """
    betas, alphas = ([0.1 + i * (end - 0.1) / n for i in range(n)] for end, n in zip(scale, step, strict=True))
    zero_shot = ZeroshotModel.classify(model.eval(), features)
    weights = zero_shot.new_tensor(alphas)[:, None, None]
    best = (-1, 0.0, 0.0)
    for beta in betas:
        right = ((zero_shot + weights * model.cached(features, beta)).argmax(-1) == labels).sum(1)
        score, index = right.max(0)
        if score.item() > best[0]:
            best = (score.item(), beta, alphas[index])
    return best[1:]
