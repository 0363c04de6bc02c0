"""Linear probe: logistic regression on frozen image features, as CLIP's authors evaluate representations."""

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import Features, PromptTrainer
from vlm.backbone import Backbone
from vlm.prompts.prompted import PromptedCLIP


class LinearProbeModel(PromptedCLIP):
    """Logits f W^T + b of normalised image features f (batch, embed_dim); W is (n_cls, embed_dim)."""

    for_classes = True

    def __init__(self, clip: Backbone, n_cls: int) -> None:
        super().__init__(clip)
        self.weight = nn.Parameter(torch.zeros(n_cls, clip.embed_dim))
        self.bias = nn.Parameter(torch.zeros(n_cls))

    def classify(self, image_features: Tensor) -> Tensor:
        return image_features @ self.weight.T + self.bias


@TRAINER_REGISTRY.register()
class LinearProbe(PromptTrainer):
    """Scikit-learn's logistic regression; its C is searched on validation images, as in CLIP, or given."""

    section = "LINEARPROBE"
    folder = "linear_probe"
    defaults = {
        "C": Option(0.0, "inverse strength of regularisation; 0 searches it on validation images", 0.0, 1e9),
        "SEARCH_STEPS": Option(8, "steps of refinement of that search", 0, 64),
    }
    trains = False
    needs_every_class = True
    chooses = True

    def make_model(self, clip: Backbone, classnames: list[str]) -> LinearProbeModel:
        return LinearProbeModel(clip, len(classnames))

    def fit(self) -> None:
        train, names = self.image_features(self.dm.dataset.train_x), self.dm.dataset.classnames
        probe = regress(train, self._strength(train))
        weight, bias = torch.from_numpy(probe.coef_).float(), torch.from_numpy(probe.intercept_).float()
        if len(names) == 2:  # scikit-learn gives one row for two classes: the second's, against a first at 0
            weight, bias = torch.cat([0 * weight, weight]), torch.cat([0 * bias, bias])
        with torch.no_grad():
            self.model.weight.copy_(weight)
            self.model.bias.copy_(bias)

    def _strength(self, train: Features) -> float:
        """C as configured, or the best on validation images: seven decades apart first, then halved intervals."""
        if self.options.C > 0:
            return float(self.options.C)
        if not self.dm.dataset.val:
            print("No validation images: C = 1")
            return 1.0
        val = self.image_features(self.dm.dataset.val)
        images, labels = val.values.cpu().numpy(), val.labels.cpu().numpy()
        scores = {float(e): _score(train, e, images, labels) for e in np.arange(-6, 7, 2)}
        step = 2.0
        for _ in range(self.options.SEARCH_STEPS):
            best, step = max(scores, key=scores.get), step / 2
            for exponent in (best - step, best + step):
                scores[exponent] = _score(train, exponent, images, labels)
        best = max(scores, key=scores.get)
        print(f"C = {10**best:.3g}: {100 * scores[best]:.1f} % on {len(labels)} validation images")
        return 10.0**best


def regress(train: Features, strength: float) -> LogisticRegression:
    """Logistic regression with inverse regularisation `strength` (C)."""
    probe = LogisticRegression(C=strength, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at the ends of the search, where nothing is chosen
        return probe.fit(train.values.cpu().numpy(), train.labels.cpu().numpy())


def _score(train: Features, exponent: float, images: np.ndarray, labels: np.ndarray) -> float:
    return float(regress(train, 10.0**exponent).score(images, labels))
