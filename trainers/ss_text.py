"""SSText: class weights in closed form from images and text, nothing to tune (Silva-Rodriguez et al., MICCAI 2025)."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dassl.engine import TRAINER_REGISTRY
from toolbox.errors import UserError
from toolbox.options import Option
from trainers.base import TEMPLATES_HELP, Column, PromptTrainer, Recording
from vlm.backbone import Backbone
from vlm.prompts.class_features import class_features
from vlm.prompts.prompted import PromptedCLIP
from vlm.towers.block import unit

SMALLEST = 1e-3  # lambda, as in the published program: beyond 1,000 images the text counts more again
SOLVERS = ("ss-text", "ss-text+", "simpleshot")


def simpleshot(features: Tensor, labels: Tensor, text: Tensor) -> Tensor:
    """w_k: the mean of class k's images; of a class without images its text, where the published program gives nan."""
    sums, counts = _sums(features, labels, len(text))
    return torch.where(counts > 0, sums / counts.clamp(min=1), text)


def ss_text(features: Tensor, labels: Tensor, text: Tensor, scale: float) -> Tensor:
    """w_k = t_k + scale / (N lambda) * (sum of class k's images), lambda = max(1 / N, 0.001) (FCA, IPMI 2025)."""
    n = len(labels)
    return _sums(features, labels, len(text))[0] * (scale / n / max(1 / n, SMALLEST)) + text


def ss_text_plus(features: Tensor, labels: Tensor, text: Tensor, scale: float) -> Tensor:
    """The same with lambda_k = max(1 / n_k, 0.001), infinite without images, and then a step of length 1 apart.

    w_k <- w_k - d_k / |d_k|, d_k = 2 w_k - mean_j w_j, all from the weights before: it decides where a weight is short.
    """
    sums, counts = _sums(features, labels, len(text))
    weights = sums * (scale / len(labels) / (1 / counts.clamp(min=1)).clamp(min=SMALLEST)) + text
    apart = 2 * weights - weights.mean(0)
    return weights - unit(apart)


def _sums(features: Tensor, labels: Tensor, n_cls: int) -> tuple[Tensor, Tensor]:
    """Of each class the sum of its images (n_cls, embed_dim) and how many there are (n_cls, 1)."""
    onehot = F.one_hot(labels, n_cls).to(features)
    return onehot.T @ features, onehot.sum(0)[:, None]


class WeightsModel(PromptedCLIP):
    """exp(logit_scale) * cosine to the class weights w (n_cls, embed_dim), which start as the raw text features."""

    for_classes = True

    def __init__(self, clip: Backbone, classnames: Sequence[str], templates: Sequence[str]) -> None:
        super().__init__(clip)
        text = class_features(clip, classnames, templates, raw_mean=True, normalised=False)
        self.register_buffer("text", text, persistent=False)
        self.weight = nn.Parameter(text.clone())

    def text_features(self, image_features: Tensor) -> Tensor:
        return unit(self.weight)

    def classify(self, image_features: Tensor) -> Tensor:
        return self.logits(image_features, unit(self.weight))


@TRAINER_REGISTRY.register()
class SSText(PromptTrainer):
    """SOLVER ss-text+ is the MICCAI 2025 paper's for unbalanced shots, ss-text its predecessor, simpleshot images alone.

    Images and texts enter as long as the towers give them, as published. No validation images are needed.
    """

    section = "SSTEXT"
    folder = "class_weights"
    recorded_as = ("jusiro/SS-Text SS", "jusiro/SS-Text SStext", "jusiro/SS-Text SStext+")
    defaults = {
        "SOLVER": Option("ss-text", "how weights come from images and text", choices=SOLVERS),
        "TEMPLATES": Option("all", TEMPLATES_HELP),
    }
    trains = False

    def make_model(self, clip: Backbone, classnames: list[str]) -> WeightsModel:
        return WeightsModel(clip, classnames, self.templates())

    def fit(self) -> None:
        model, train = self.model, self.image_features(self.dm.dataset.train_x)
        weights = solved(self.options.SOLVER, train.raw, train.labels, model.text, model.log_scale().exp().item())
        if not torch.isfinite(weights).all():
            raise UserError("SSText: the weights are not finite")
        model.weight.data.copy_(weights)

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        part, arrays = recording.part, recording.arrays
        train, labels, text = arrays["train"], arrays["train_labels"].long(), arrays["text"]
        missing = len(labels.unique()) < len(text)
        if part == "SS" and missing:
            why = "the reference has nan, or no column, for a class without images"
            yield from (Column(f"SS/{name}", None, why=why) for name in ("weights", "train_prob", "logits"))
            return
        model = WeightsModel(recording.any_clip(text.shape[1]), ["a"] * len(text), ["{}"])
        solver = {"SS": "simpleshot", "SStext": "ss-text", "SStext+": "ss-text+"}[part]
        weights = solved(solver, train, labels, text, model.log_scale().exp().item())
        model.weight.data.copy_(weights)
        yield Column(f"{part}/weights", weights, 1e-6)
        yield Column(f"{part}/train_prob", model.classify(unit(train)).softmax(1).detach())
        yield Column(f"{part}/logits", model.classify(unit(arrays["test"])).detach(), 1e-6)


def solved(solver: str, features: Tensor, labels: Tensor, text: Tensor, scale: float) -> Tensor:
    """Class weights (n_cls, embed_dim) by one of SOLVERS."""
    if solver == "simpleshot":
        return simpleshot(features, labels, text)
    return (ss_text if solver == "ss-text" else ss_text_plus)(features, labels, text, scale)
