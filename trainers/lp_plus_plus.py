"""LPPlusPlus: a linear probe plus the text, class by class, in closed-form steps (Shakeri et al., CVPR 2024)."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dassl.engine import TRAINER_REGISTRY
from toolbox.errors import UserError
from toolbox.options import Option
from trainers.base import TEMPLATES_HELP, Column, PromptTrainer, Recording, accuracy
from vlm.backbone import Backbone
from vlm.prompts.class_features import class_features
from vlm.prompts.prompted import PromptedCLIP
from vlm.towers.block import unit

ALPHA_EVERY = 10  # steps of the weights to one of alpha
ALPHA_START = 250.0  # the text's first weight, times its mean cosine to the images of its class
MOMENTUM = 0.9


class Head(NamedTuple):
    """Logits W f + b + alpha * (f T^T): W (n_cls, embed_dim), b (n_cls,), alpha (n_cls,); no logit scale."""

    weight: Tensor
    bias: Tensor
    alpha: Tensor

    def logits(self, features: Tensor, text: Tensor) -> Tensor:
        """(batch, n_cls), of normalised features (batch, embed_dim) and text (n_cls, embed_dim)."""
        return features @ self.weight.T + self.bias + self.alpha * (features @ text.T)


class Support(NamedTuple):
    """Training images: normalised features (n, embed_dim), labels (n,), and their products with the text (n, n_cls).

    The products are of features as long as they are in the program that has them so, and cosines elsewhere.
    """

    features: Tensor
    labels: Tensor
    products: Tensor


def start(support: Support, n_cls: int, bias: Tensor | None = None) -> Head:
    """W: the SUM of each class's features; alpha: one number for all classes, 0 from classes without images; b: drawn."""
    onehot = F.one_hot(support.labels, n_cls).to(support.features)
    if bias is None:
        bound = support.features.shape[1] ** -0.5
        bias = torch.empty(n_cls).uniform_(-bound, bound).to(support.features)
    in_class = (onehot * support.products).sum(0) / onehot.sum(0).clamp(min=1)
    return Head(onehot.T @ support.features, bias, (ALPHA_START * in_class.mean()).expand(n_cls))


def lipschitz_rate(features: Tensor) -> float:
    """Rate of W and b from the curvature of the loss: 4 n over the largest eigenvalue of F^T F."""
    return 4 * len(features) / torch.linalg.matrix_norm(features, 2).item() ** 2


def alpha_rate(products: Tensor) -> float:
    """Rate of alpha: n / (4 max_k sum_i products_ik^2)."""
    return len(products) / (4 * products.square().sum(0).max().item())


def slope(head: Head, support: Support, text: Tensor) -> tuple[Head, Tensor]:
    """The gradient of the mean cross-entropy over the support, written out, and its value."""
    logits = head.logits(support.features, text)
    onehot = F.one_hot(support.labels, len(text)).to(logits)
    error = (logits.softmax(1) - onehot) / len(onehot)
    cosines = support.features @ text.T
    return Head(error.T @ support.features, error.sum(0), (error * cosines).sum(0)), F.cross_entropy(
        logits, support.labels
    )


def solve(head: Head, support: Support, text: Tensor, rate: float, steps: int) -> Iterator[tuple[Head, Tensor]]:
    """The head after each step over all images at once, and the loss before it.

    W and b take a step with momentum each time, alpha one every tenth time along the SUM of its gradients over ALL steps so
    far: the published program never clears them.
    """
    moving = Head(*(torch.zeros_like(part) for part in head))
    rate_of_alpha = alpha_rate(support.products)
    for i in range(1, steps + 1):
        now, loss = slope(head, support, text)
        moving = Head(
            MOMENTUM * moving.weight + now.weight, MOMENTUM * moving.bias + now.bias, moving.alpha + now.alpha
        )
        alpha = head.alpha - rate_of_alpha * moving.alpha if i % ALPHA_EVERY == 0 else head.alpha
        head = Head(head.weight - rate * moving.weight, head.bias - rate * moving.bias, alpha)
        yield head, loss


def best_of(heads: Iterator[tuple[Head, Tensor]], score: Callable[[Head], float] | None) -> Head | None:
    """The head with the best score, of equals the LAST; without a score, the last head. None if there are none."""
    best, kept = -1.0, None
    for head, _ in heads:
        found = score(head) if score is not None else best
        if found >= best:
            best, kept = found, head
    return kept


class LPPlusPlusModel(PromptedCLIP):
    """`Head` over frozen features."""

    for_classes = True

    def __init__(self, clip: Backbone, classnames: Sequence[str], templates: Sequence[str]) -> None:
        super().__init__(clip)
        n_cls = len(classnames)
        self.register_buffer("text", class_features(clip, classnames, templates), persistent=False)
        self.weight = nn.Parameter(torch.zeros(n_cls, clip.embed_dim))
        self.bias = nn.Parameter(torch.zeros(n_cls))
        self.alpha = nn.Parameter(torch.zeros(n_cls))

    def classify(self, image_features: Tensor) -> Tensor:
        return Head(self.weight, self.bias, self.alpha).logits(image_features, self.text)


@TRAINER_REGISTRY.register()
class LPPlusPlus(PromptTrainer):
    """On one augmented view of each image; the step that is best on validation images is kept, the last without them.

    The published program counts classes as images / shots and fails on unbalanced draws; here a class may have any number.
    STEPS 0 is its training-free form.
    """

    section = "LPPLUSPLUS"
    folder = "linear_text"
    recorded_as = ("LP++", "jusiro/SS-Text LP++", "jusiro/SS-Text LP++(TF)")
    defaults = {
        "TEMPLATES": Option("first", TEMPLATES_HELP),
        "STEPS": Option(300, "steps over all training images at once", 0, 1_000_000),
        "AUGMENT": Option(True, "see one augmented view of each training image instead of the image"),
        "SELECT": Option(True, "keep the step that is best on validation images; False keeps the last"),
    }
    trains = False
    chooses = True
    score = staticmethod(accuracy)

    def make_model(self, clip: Backbone, classnames: list[str]) -> LPPlusPlusModel:
        return LPPlusPlusModel(clip, classnames, self.templates())

    def rate(self, support: Support) -> float:
        """Learning rate of W and b."""
        return lipschitz_rate(support.features)

    def fit(self) -> None:
        o, data, text = self.options, self.dm.dataset, self.model.text
        train = self.view(data.train_x, 0) if o.AUGMENT else self.image_features(data.train_x)
        support = Support(train.values, train.labels, train.values @ text.T)
        first = start(support, len(text))
        heads = solve(first, support, text, self.rate(support), o.STEPS)
        head = best_of(heads, self._on_val() if o.SELECT and data.val else None) or first
        if not all(torch.isfinite(part).all() for part in head):
            raise UserError(f"{type(self).__name__}: the weights are not finite")
        for name, value in head._asdict().items():
            getattr(self.model, name).data.copy_(value)

    def _on_val(self) -> Callable[[Head], float]:
        val = self.image_features(self.dm.dataset.val)
        return lambda head: self.score(head.logits(val.values, self.model.text), val.labels).item()

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        yield from _replay_support(recording) if recording.part else _replay_images(recording)


def _replay_images(recording: Recording) -> Iterator[Column]:
    """The published program: first the features, then what follows from the recorded ones."""
    arrays, case, clip = recording.arrays, recording.case, recording.clip()
    yield Column("text_weights", class_features(clip, case["classnames"], [case["options"]["template"]]).T)
    for part in ("train", "val", "test"):
        yield Column(f"{part}_features", unit(recording.features(clip, f"{part}_images")))
    train, val, test = (arrays[f"{part}_features"] for part in ("train", "val", "test"))
    text = arrays["text_weights"].T
    support = Support(train, arrays["train_labels"].flatten(), train @ text.T)
    head = start(support, len(text), arrays["param/bias"])
    rate = lipschitz_rate(train)
    for name, value in (("init_weight", head.weight), ("param/weight", head.weight), ("init_alpha", head.alpha)):
        yield Column(name, value, 1e-6)
    yield Column("param/alpha", head.alpha, 1e-6)
    yield Column("lr_w", torch.tensor(rate), 1e-6)
    yield Column("lr_alpha", torch.tensor(alpha_rate(support.products)), 1e-6)
    yield Column("logits_initial", head.logits(test, text), 1e-6)
    yield Column("train_logits", head.logits(train, text), 1e-6)
    heads, losses = [head], []
    for after, loss in solve(head, support, text, rate, len(arrays["step_losses"])):
        heads.append(after)
        losses.append(loss)
    yield Column("loss", losses[0])
    for name, value in slope(heads[0], support, text)[0]._asdict().items():
        yield Column(f"grad/{name}", value)
    yield Column("step_losses", torch.stack(losses))
    yield Column("step_alpha", torch.stack([head.alpha for head in heads[:-1]]), 1e-6)
    for name in arrays:
        if name.startswith("logits/"):
            yield Column(name, heads[int(name.partition("/")[2])].logits(test, text), 2e-6)
    for name, value in heads[-1]._asdict().items():
        yield Column(f"final_{name}", value, 2e-6)
    yield Column("logits", heads[-1].logits(test, text), 2e-6)
    kept = best_of(
        zip(heads[1:], losses, strict=True),
        lambda head: accuracy(head.logits(val, text), arrays["val_labels"]).item(),
    )
    yield Column("accuracy_test", accuracy(kept.logits(test, text), arrays["test_labels"]))


def _replay_support(recording: Recording) -> Iterator[Column]:
    """SS-Text's program: features given, of any length, the last step kept."""
    part, arrays = recording.part, recording.arrays
    train, text = arrays["train"], unit(arrays["text"])
    support = Support(unit(train), arrays["train_labels"].long(), train @ text.T)
    heads, losses = [start(support, len(text), arrays[f"{part}/init/bias"])], []
    steps = recording.case["solvers"][part]["steps"]
    for after, loss in solve(heads[0], support, text, lipschitz_rate(support.features), steps):
        heads.append(after)
        losses.append(loss)
    if losses:
        yield Column(f"{part}/cross_entropy", torch.stack(losses), 1e-5)
    before = [head.alpha for head in heads[ALPHA_EVERY - 1 : -1 : ALPHA_EVERY]]
    if before:
        yield Column(f"{part}/alpha_before_update", torch.stack(before), 1e-5)
    for i, name, what in recording.snapshots():
        yield Column(name, heads[i][int(what)], 1e-5)
    last = heads[-1]
    for name, value in (("weights", last.weight), ("bias", last.bias), ("alpha", last.alpha)):
        yield Column(f"{part}/{name}", value, 1e-5)
    yield Column(f"{part}/train_prob", last.logits(support.features, text).softmax(1))
    yield Column(f"{part}/logits", last.logits(unit(arrays["test"]), text), 1e-5)
