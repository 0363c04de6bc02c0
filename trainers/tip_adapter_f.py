"""TipAdapterF: Tip-Adapter whose cached keys are trained from where they are (Zhang et al., ECCV 2022)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import (
    TEMPLATES_HELP,
    Column,
    Features,
    PromptTrainer,
    Recording,
    Step,
    accuracy,
    balanced_accuracy,
    descend,
    shuffled,
)
from trainers.tip_adapter import TipAdapterModel, search
from vlm.backbone import Backbone
from vlm.towers.block import unit

EPS = 1e-4  # of AdamW
HUNDRED = {"relative": 1e-6, "why": "100 times cosines in float32"}


class TipAdapterFModel(TipAdapterModel):
    """scale * f T^T + alpha * exp(-beta (1 - f K^T)) L, whose keys K (n, embed_dim) are trained and not normalised again.

    Args:
        scale: 100 in every published program; 0 takes the backbone's own.
    """

    def __init__(
        self, clip: Backbone, classnames: Sequence[str], templates: Sequence[str], scale: float = 100.0
    ) -> None:
        super().__init__(clip, classnames, templates)
        self.scale = scale
        del self.keys
        self.keys = nn.Parameter(torch.zeros(0, clip.embed_dim))

    def log_scale(self) -> Tensor:
        return self.text.new_tensor(self.scale).log() if self.scale else super().log_scale()

    def make_room(self, state: Mapping[str, Tensor]) -> None:
        super().make_room({name: state[name] for name in state if name != "keys"})
        if "keys" in state:
            self.keys = nn.Parameter(torch.zeros_like(state["keys"], device=self.keys.device))

    def feature_loss(self, image_features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and cross-entropy of a batch of features."""
        logits = self.classify(image_features)
        return logits, F.cross_entropy(logits, labels)


def keys_optimizer(keys: nn.Parameter, rate: float, decay: float, steps: int) -> tuple[AdamW, CosineAnnealingLR]:
    """AdamW for the keys, and its rate's cosine to 0 over `steps`, without warm-up."""
    optimizer = AdamW([keys], lr=rate, eps=EPS, weight_decay=decay)
    return optimizer, CosineAnnealingLR(optimizer, steps)


def train_keys(
    model: TipAdapterFModel,
    epochs: Iterable[Iterable[tuple[Tensor, Tensor]]],
    optimizer: Optimizer,
    schedule: CosineAnnealingLR,
    score: Callable[[], float] | None,
) -> Iterator[Step]:
    """Train the keys batch by batch, yielding each step; at the end the model has those of the best epoch.

    Args:
        epochs: of each epoch its batches.
        score: of the model as it is, after each epoch; the first of equals is kept. None keeps the last epoch.
    """
    best, kept = -1.0, None
    for batches in epochs:
        yield from descend(model.feature_loss, batches, optimizer, schedule)
        if score is not None and (found := score()) > best:
            best, kept = found, model.keys.detach().clone()
    if kept is not None:
        model.keys.data.copy_(kept)


@TRAINER_REGISTRY.register()
class TipAdapterF(PromptTrainer):
    """Keys are trained at INIT_ALPHA and INIT_BETA, the best epoch on validation images is kept, then both are searched there.

    The original program chooses on test images; here, as in BiomedCoOp's copy, nothing does. That copy's GRID_SEARCH is meant
    to try an alpha from 0 to 9 in training, but all tries go on from one shared tensor, and what is trained in the end does
    not move: SEARCH_INIT_ALPHA is the search as meant, each try from the cache. It is off, as in the recordings.
    """

    section = "TIPADAPTERF"
    folder = "tip_adapter"
    recorded_as = ("Tip-Adapter-F", "FereshteShakeri/few-shot-MedVLMs tip_adapter_f")
    defaults = {
        "TEMPLATES": Option("all", TEMPLATES_HELP),
        "AUGMENT_EPOCH": Option(
            10,
            "augmented views of each training image, whose mean is its key; 0 sees the images themselves alone",
            0,
            10_000,
        ),
        "VIEWS": Option(0, "further views that epochs take in turn; 0 takes another every epoch", 0, 100_000),
        "INIT_ALPHA": Option(1.0, "weight of the cache in training", 0.0, 1e6),
        "INIT_BETA": Option(1.0, "sharpness of the cache in training", 0.0, 1e6),
        "SEARCH_INIT_ALPHA": Option(False, "train with each alpha 0 to 9 and keep the best on validation images"),
        "SEARCH_SCALE": Option((50.0, 50.0), "beta and alpha below which a grid is searched after training", 0.1, 1e6),
        "SEARCH_STEP": Option((200, 20), "how many of each are tried", 1, 100_000),
        "LOGIT_SCALE": Option(
            100.0, "what cosines to the text are multiplied by; 0 takes the backbone's own", 0.0, 1e6
        ),
    }
    trains = False
    chooses = True

    def make_model(self, clip: Backbone, classnames: list[str]) -> TipAdapterFModel:
        return TipAdapterFModel(clip, classnames, self.templates(), float(self.options.LOGIT_SCALE))

    def fit(self) -> None:
        o, items, model = self.options, self.dm.dataset.train_x, self.model
        views = [self.view(items, i) for i in range(o.AUGMENT_EPOCH)] or [self.image_features(items)]
        cache = unit(sum(view.raw for view in views))
        model.keys = nn.Parameter(cache.clone())
        model.labels = torch.tensor([item.label for item in items], device=self.device)
        model.beta.fill_(o.INIT_BETA)
        val = self.image_features(self.dm.dataset.val) if self.dm.dataset.val else None
        tries = range(10) if o.SEARCH_INIT_ALPHA and val is not None else [o.INIT_ALPHA]
        found = [self._train(cache, alpha, val) for alpha in tries]
        _, keys, alpha = max(found, key=lambda entry: entry[0])  # the first of equals
        model.keys.data.copy_(keys)
        model.alpha.fill_(alpha)
        if val is not None:
            beta, alpha = search(model, val.values, val.labels, o.SEARCH_SCALE, o.SEARCH_STEP)
            model.alpha.fill_(alpha)
            model.beta.fill_(beta)
        print(f"Trained cache of {len(items)} images, alpha = {model.alpha:.2f}, beta = {model.beta:.2f}")

    def _train(self, cache: Tensor, alpha: float, val: Features | None) -> tuple[float, Tensor, float]:
        """Score on validation images, keys and alpha, of keys trained from the cache."""
        o, optim, model, items = self.options, self.cfg.OPTIM, self.model, self.dm.dataset.train_x
        size = self.cfg.DATALOADER.TRAIN_X.BATCH_SIZE
        model.keys.data.copy_(cache)
        model.alpha.fill_(alpha)

        def score() -> float:
            with torch.no_grad():
                return accuracy(model.classify(val.values), val.labels).item()

        if o.AUGMENT_EPOCH:
            views = self.views(items, optim.MAX_EPOCH, o.VIEWS, first=o.AUGMENT_EPOCH)
        else:
            views = repeat(self.image_features(items), optim.MAX_EPOCH)
        epochs = (shuffled(view.values, view.labels, size) for view in views)
        steps = optim.MAX_EPOCH * -(-len(items) // size)
        optimizer, schedule = keys_optimizer(model.keys, optim.LR, optim.WEIGHT_DECAY, steps)
        for _ in train_keys(model, epochs, optimizer, schedule, score if val is not None else None):
            pass
        return score() if val is not None else 0.0, model.keys.detach().clone(), float(alpha)

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> TipAdapterFModel:
        model = TipAdapterFModel(clip, case["classnames"], [case["options"]["template"]])
        model.alpha.fill_(case["options"]["init_alpha"])
        model.beta.fill_(case["options"]["init_beta"])
        return model

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        yield from _replay_features(recording) if recording.part else _replay_images(recording, cls)


def _replay_images(recording: Recording, method: type) -> Iterator[Column]:
    """The program of BiomedCoOp: one list of batches for all epochs, and a grid at the end."""
    o, arrays = recording.case["options"], recording.arrays
    model = method.from_recording(recording.clip(), recording.case, arrays)
    train, val, test = (unit(recording.features(model.clip, f"{part}_images")) for part in ("train", "val", "test"))
    views = recording.features(model.clip, "augment_images").unflatten(0, (o["augment_epoch"], -1))
    train_labels, val_labels = arrays["train_labels"].long(), arrays["val_labels"].flatten()
    model.keys, model.labels = nn.Parameter(unit(views.mean(0))), train_labels.flatten()
    cache = model.keys.detach().clone()
    yield Column("param/cache_keys", cache)
    yield Column("cache_keys", cache.T)
    yield Column("cache_values", F.one_hot(model.labels, model.n_cls).float())
    yield Column("text_weights", model.text.T)
    yield Column("test_features", test)
    yield Column("val_features", val)
    model.text, test, val = arrays["text_weights"].T, arrays["test_features"], arrays["val_features"]
    model.keys.data.copy_(arrays["param/cache_keys"])
    yield Column("logits_initial", model.classify(test).detach(), **HUNDRED)
    on_val: list[Tensor] = []

    def score() -> float:
        on_val.append(model.classify(val).detach())
        return accuracy(on_val[-1], val_labels).item()

    batches = list(zip(train.split(train_labels.shape[1]), train_labels, strict=True))
    optimizer, schedule = keys_optimizer(model.keys, o["lr"], 0.01, o["train_epoch"] * len(batches))
    steps, keys, grads = [], [], []
    for step in train_keys(model, [batches] * o["train_epoch"], optimizer, schedule, score):
        steps.append(step)
        keys.append(model.keys.detach().clone())
        grads.append(model.keys.grad.clone())
    yield Column("loss", steps[0].loss)
    yield Column("grad/cache_keys", grads[0])
    yield Column("step_losses", torch.stack([step.loss for step in steps]))
    yield Column("step_logits", torch.stack([step.logits for step in steps]), **HUNDRED)
    yield Column("step_keys", torch.stack(keys))
    yield Column("step_grads", torch.stack(grads))
    yield Column("val_logits", torch.stack(on_val), **HUNDRED)
    yield Column("best_keys", model.keys.detach())
    beta, alpha = search(model, val, val_labels, o["search_scale"], o["search_step"])
    yield Column("best_beta_alpha", torch.tensor([beta, alpha], dtype=torch.float64))
    model.alpha.fill_(alpha)
    model.beta.fill_(beta)
    logits = model.classify(test).detach()
    yield Column("logits", logits, **HUNDRED)
    yield Column("accuracy_test", accuracy(logits, arrays["test_labels"]))


def _replay_features(recording: Recording) -> Iterator[Column]:
    """The program of few-shot-MedVLMs: all images in one batch, the best epoch by balanced accuracy, no grid."""
    part, arrays, case = recording.part, recording.arrays, recording.case["methods"][recording.part]
    text, train, val, test = (arrays[name] for name in ("text", "train", "val", "test"))
    model = TipAdapterFModel(recording.any_clip(text.shape[1]), ["a"] * len(text), ["{}"])
    model.text, model.keys, model.labels = text, nn.Parameter(train.clone()), arrays["train_labels"].long()
    model.beta.fill_(1.0)
    on_val, keys, losses = [], [train], []

    def score() -> float:
        keys.append(model.keys.detach().clone())
        on_val.append(balanced_accuracy(model.classify(val).detach(), arrays["val_labels"]))
        return on_val[-1].item()

    optimizer, schedule = keys_optimizer(model.keys, case["lr"], 0.01, case["steps"])
    for step in train_keys(model, [[(train, model.labels)]] * case["steps"], optimizer, schedule, score):
        losses.append(step.loss)
    yield Column(f"{part}/cross_entropy", torch.stack(losses))
    yield Column(f"{part}/val_aca", torch.stack(on_val) / 100)
    for i, name, _ in recording.snapshots():
        yield Column(name, keys[i])
    yield Column(f"{part}/test_logits", model.classify(test).detach(), **HUNDRED)
