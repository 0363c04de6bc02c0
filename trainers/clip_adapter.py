"""CLIPAdapter: a small network behind the frozen image tower, mixed with what it gets (Gao et al., IJCV 2024)."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dassl.config import get_cfg_default
from dassl.engine import TRAINER_REGISTRY
from dassl.optim import build_lr_scheduler, build_optimizer
from toolbox.options import Option
from trainers.base import TEMPLATES_HELP, Column, PromptTrainer, Recording, accuracy, descend, shuffled
from trainers.zsclip import ZeroshotModel
from vlm.backbone import Backbone
from vlm.prompts.class_features import class_features
from vlm.towers.block import unit


class CLIPAdapterModel(ZeroshotModel):
    """Cosine of hand-written prompts to ratio * relu(B relu(A f)) + (1 - ratio) * f.

    f is the image feature; A (embed_dim / 4, embed_dim) and B (embed_dim, embed_dim / 4) have no bias, so that the length
    of f, which the paper leaves as it is, makes no difference.

    Args:
        normalised: scale the mixture to length 1, as in the paper; the few-shot benchmarks' programs do not.
    """

    def __init__(
        self,
        clip: Backbone,
        classnames: Sequence[str],
        templates: Sequence[str],
        ratio: float = 0.2,
        normalised: bool = True,
    ) -> None:
        super().__init__(clip, classnames, templates)
        self.ratio, self.normalised = ratio, normalised
        self.down = nn.Linear(clip.embed_dim, clip.embed_dim // 4, bias=False)
        self.up = nn.Linear(clip.embed_dim // 4, clip.embed_dim, bias=False)

    def classify(self, image_features: Tensor) -> Tensor:
        hidden = F.relu(self.up(F.relu(self.down(image_features))))
        mixed = self.ratio * hidden + (1 - self.ratio) * image_features
        return self.logits(unit(mixed) if self.normalised else mixed, self.text)

    def feature_loss(self, image_features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and cross-entropy of a batch of features."""
        logits = self.classify(image_features)
        return logits, F.cross_entropy(logits, labels)

    def reference_parameters(self) -> Iterator[tuple[str, nn.Parameter, int | None]]:
        before = "adapter." if self.normalised else ""  # the few-shot benchmarks' program has no such room
        yield f"{before}fc.0.weight", self.down.weight, None
        yield f"{before}fc.2.weight", self.up.weight, None


@TRAINER_REGISTRY.register()
class CLIPAdapter(PromptTrainer):
    """As published; with RATIO 0.5, NORMALISED False and TICK iteration as in the few-shot benchmarks of BiomedCoOp and LP++.

    There warm-up and cosine tick once an iteration though they are counted in epochs, so the rate swings down and up.
    """

    section = "CLIPADAPTER"
    folder = "clip_adapter"
    recorded_as = ("CLIP-Adapter", "CLIP-Adapter-FS")
    defaults = {
        "RATIO": Option(0.2, "share of the adapter's output in the mixture", 0.0, 1.0),
        "NORMALISED": Option(True, "scale the mixture to length 1"),
        "TICK": Option("epoch", "what moves the learning rate's schedule on", choices=("epoch", "iteration")),
        "VIEWS": Option(0, "augmented views that epochs take in turn; 0 takes another every epoch", 0, 100_000),
        "TEMPLATES": Option("first", TEMPLATES_HELP),
    }
    trains = False

    def make_model(self, clip: Backbone, classnames: list[str]) -> CLIPAdapterModel:
        o = self.options
        return CLIPAdapterModel(clip, classnames, self.templates(), float(o.RATIO), o.NORMALISED)

    def fit(self) -> None:
        o, optim = self.options, self.cfg.OPTIM
        optimizer = build_optimizer(self.model, optim)
        schedule = build_lr_scheduler(optimizer, optim)
        losses: list[Tensor] = []
        for view in self.views(self.dm.dataset.train_x, optim.MAX_EPOCH, o.VIEWS):
            batches = shuffled(view.values, view.labels, self.cfg.DATALOADER.TRAIN_X.BATCH_SIZE)
            ticking = schedule if o.TICK == "iteration" else None
            losses = [step.loss for step in descend(self.model.feature_loss, batches, optimizer, ticking)]
            if ticking is None:
                schedule.step()
        print(f"Loss in the last of {optim.MAX_EPOCH} epochs: {sum(losses) / len(losses):.4f}")

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> CLIPAdapterModel:
        o = case["options"]
        few_shot = case["method"] == "CLIP-Adapter-FS"
        return CLIPAdapterModel(
            clip, case["classnames"], [o["template"]], o["alpha" if few_shot else "ratio"], not few_shot
        )

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        model = recording.model(cls)
        if recording.case["method"] == "CLIP-Adapter":
            yield from recording.step(model)
            names, template = recording.case["classnames"], recording.case["options"]["template"]
            yield Column(
                "text_features", class_features(model.clip, names, [template], raw_mean=True, normalised=False)
            )
            yield Column("image_features", recording.features(model.clip, "images"))
            return
        optim, o = get_cfg_default().OPTIM, recording.case["options"]
        optim.merge_from_list(["NAME", "sgd", "LR", o["lr"], "MOMENTUM", 0.0, "WEIGHT_DECAY", 0.0])
        optim.merge_from_list(
            ["MAX_EPOCH", o["train_epoch"], "LR_SCHEDULER", "cosine", "WARMUP_EPOCH", o["warmup_epoch"]]
        )
        optim.merge_from_list(["WARMUP_TYPE", "constant", "WARMUP_CONS_LR", o["warmup_cons_lr"]])
        yield from _replay_few_shot(recording, model, optim)


def _replay_few_shot(recording: Recording, model: CLIPAdapterModel, optim) -> Iterator[Column]:
    optimizer = build_optimizer(model, optim)
    schedule = build_lr_scheduler(optimizer, optim)
    train, val, test = (unit(recording.features(model.clip, f"{part}_images")) for part in ("train", "val", "test"))
    labels = recording.arrays["train_labels"].long()
    yield Column("text_weights", model.text.T)
    yield Column("train_features", train)
    yield Column("test_features", test)
    yield Column("logits_initial", model.classify(test).detach())
    steps, rates, on_val = [], [], []
    for _ in range(optim.MAX_EPOCH):
        batches = zip(train.split(labels.shape[1]), labels, strict=True)
        for step in descend(model.feature_loss, batches, optimizer, schedule):
            if not steps:
                yield Column("loss", step.loss)
                yield from (Column(f"grad/{name}", p.grad.clone()) for name, p, _ in model.reference_parameters())
            steps.append(step)
            rates.append(optimizer.param_groups[0]["lr"])
        on_val.append(model.classify(val).detach())
    yield Column("step_losses", torch.stack([step.loss for step in steps]))
    yield Column("step_lr", torch.tensor(rates, dtype=torch.float64))
    yield Column("train_logits", torch.stack([step.logits for step in steps]))
    yield Column("val_logits", torch.stack(on_val))
    logits = model.classify(test).detach()
    yield Column("logits", logits)
    yield Column("accuracy_test", accuracy(logits, recording.arrays["test_labels"]))
    yield from (Column(f"final/{name}", p.detach()) for name, p, _ in model.reference_parameters())
