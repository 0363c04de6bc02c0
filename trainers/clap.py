"""CLAP: class weights trained from the text, and held to it class by class (Silva-Rodriguez et al., CVPR 2024)."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

from dassl.config import get_cfg_default
from dassl.engine import TRAINER_REGISTRY
from dassl.optim import build_lr_scheduler, build_optimizer
from toolbox.options import Option
from trainers.base import TEMPLATES_HELP, Column, PromptTrainer, Recording, descend, shuffled
from trainers.ss_text import WeightsModel
from vlm.backbone import Backbone
from vlm.towers.block import unit

STEPS = 300  # in recordings
RECORDED = {"zslp": "none", "LP": "none", "clap": "l2", "clap_constant": "l2constant", "CLAP": "l2constant"}
CONSTRAINTS = ("l2", "l2constant", "l2balanced", "l2corrected", "none")


class CLAPModel(WeightsModel):
    """Cross-entropy + mean_k lambda_k |w_k - t_k|^2, for the raw texts t (n_cls, embed_dim) and multipliers (n_cls,)."""

    def __init__(self, clip: Backbone, classnames: Sequence[str], templates: Sequence[str]) -> None:
        super().__init__(clip, classnames, templates)
        self.register_buffer("multipliers", torch.zeros(len(classnames)), persistent=False)

    def feature_loss(self, image_features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and loss of a batch of features."""
        logits = self.classify(image_features)
        pull = self.multipliers * (self.weight - self.text).square().sum(1)
        return logits, F.cross_entropy(logits, labels) + pull.mean()

    @torch.no_grad()
    def set_multipliers(self, features: Tensor, labels: Tensor, constraint: str) -> None:
        """lambda_k: the mean zero-shot probability of class k for its own images; without images, the others' mean."""
        if constraint in ("none", "l2balanced"):
            self.multipliers.fill_(constraint == "l2balanced")
            return
        own = self.logits(features, unit(self.text)).softmax(1).gather(1, labels[:, None])[:, 0]
        means = torch.stack([own[labels == c].mean() for c in range(len(self.text))])  # nan without images
        found = torch.where(means.isnan(), means.nanmean(), means)
        if constraint == "l2constant":
            found = found.mean().expand_as(found)
        elif constraint == "l2corrected":
            found = found * len(found) / found.sum()
        self.multipliers.copy_(found)


@TRAINER_REGISTRY.register()
class CLAP(PromptTrainer):
    """On augmented views of every image, computed once; an epoch sees as many of them as there are images.

    CONSTRAINT l2 is the paper's. l2constant gives all classes the mean of the multipliers: so are the rows "CLAP" of SS-Text's
    tables, whose program averages them by a broadcast that it did not mean. none is its linear probe from the text (ZS-LP).
    """

    section = "CLAP"
    folder = "class_weights"
    recorded_as = (
        *(f"jusiro/CLAP {name}" for name in ("zslp", "clap", "clap_constant")),
        *(f"jusiro/SS-Text {name}" for name in ("LP", "CLAP")),
    )
    defaults = {
        "CONSTRAINT": Option("l2", "multipliers of the pull towards the text", choices=CONSTRAINTS),
        "VIEWS": Option(20, "augmented views of each training image; 0 takes the images themselves", 0, 10_000),
        "TEMPLATES": Option("all", TEMPLATES_HELP),
    }
    trains = False

    def make_model(self, clip: Backbone, classnames: list[str]) -> CLAPModel:
        return CLAPModel(clip, classnames, self.templates())

    def fit(self) -> None:
        o, optim, model, items = self.options, self.cfg.OPTIM, self.model, self.dm.dataset.train_x
        views = [self.view(items, i) for i in range(o.VIEWS)] or [self.image_features(items)]
        features, labels = (torch.cat([getattr(view, name) for view in views]) for name in ("values", "labels"))
        model.set_multipliers(features, labels, o.CONSTRAINT)
        optimizer = build_optimizer(model, optim)
        schedule = build_lr_scheduler(optimizer, optim)
        size = self.cfg.DATALOADER.TRAIN_X.BATCH_SIZE
        batches = max(len(items) // size, 1)
        losses = []
        for _ in range(optim.MAX_EPOCH):
            batch = (pair for pair, _ in zip(shuffled(features, labels, size), range(batches), strict=False))
            losses = [step.loss for step in descend(model.feature_loss, batch, optimizer)]
            schedule.step()
        shown = ", ".join(f"{value:.2f}" for value in model.multipliers[:8].tolist())
        print(f"Multipliers {shown}; loss in the last of {optim.MAX_EPOCH} epochs: {sum(losses) / len(losses):.4f}")

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        part, arrays = recording.part, recording.arrays
        ours = "views" in arrays
        text, labels = arrays["text"], arrays["train_labels"].long()
        train = arrays["views"].flatten(0, 1) if ours else unit(arrays["train"])
        labels = labels.repeat(len(train) // len(labels))
        model = CLAPModel(recording.any_clip(text.shape[1]), ["a"] * len(text), ["{}"])
        model.text = text
        model.weight.data.copy_(text)
        model.set_multipliers(train, labels, RECORDED[part])
        optimizer, schedule = _cosine_after_warm_up(model) if ours else cosine(model)
        weights, rates, losses = [], [], []
        for step in descend(model.feature_loss, [(train, labels)] * STEPS, optimizer, schedule):
            losses.append(F.cross_entropy(step.logits, labels))
            weights.append(model.weight.detach().clone())
            rates.append(optimizer.param_groups[0]["lr"])
        weights.append(model.weight.detach())
        if ours:
            yield Column("lr", torch.tensor(rates, dtype=torch.float64))
            yield Column(f"{part}/multipliers_last", model.multipliers)
        else:
            zero_shot = model.logits(train, unit(text))
            yield Column("zero_shot_train_prob", zero_shot.softmax(1))
        chaotic = part not in ("zslp", "LP") and text.norm(dim=1).max() < 1.01
        held = 10 if chaotic else STEPS
        near = 2e-5 if part == "LP" else 1e-5
        why = "chaotic at texts of length 1: two right programs part after some thirty steps" if chaotic else ""
        for i, name, _ in recording.snapshots():
            yield Column(name, weights[i] if i <= held else None, near, why if i > held else "")
        yield Column(f"{part}/cross_entropy", None if chaotic else torch.stack(losses), near, why)
        yield Column(f"{part}/weights", None if chaotic else weights[-1], near, why)
        logits = model.classify(unit(arrays["test"])).detach()
        yield Column(f"{part}/logits", None if chaotic else logits, near, why)
        probable = model.classify(train).softmax(1).detach()
        yield Column(f"{part}/train_prob", None if chaotic else probable, None, why)


def _cosine_after_warm_up(model: CLAPModel) -> tuple[Optimizer, LRScheduler]:
    """CLAP's own: Dassl's schedule by epochs, of one batch each in the recordings."""
    optim = get_cfg_default().OPTIM
    optim.merge_from_list(["NAME", "sgd", "LR", 0.1, "WEIGHT_DECAY", 0.0, "MAX_EPOCH", STEPS, "LR_SCHEDULER", "cosine"])
    optim.merge_from_list(["WARMUP_EPOCH", 1, "WARMUP_TYPE", "constant", "WARMUP_CONS_LR", 1e-5])
    optimizer = build_optimizer(model, optim)
    return optimizer, build_lr_scheduler(optimizer, optim)


def cosine(model: CLAPModel) -> tuple[Optimizer, LRScheduler]:
    """SS-Text's: a cosine without warm-up."""
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    return optimizer, CosineAnnealingLR(optimizer, STEPS)
