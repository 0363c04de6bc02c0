"""Trainers with a data set, one model and one evaluator; TrainerX learns from labels, TrainerXU also without."""

import datetime
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm
from yacs.config import CfgNode

from dassl.data import DataManager
from dassl.evaluation import build_evaluator
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.utils import AverageMeter, MetricMeter, count_num_param, load_pretrained_weights
from toolbox.errors import UserError
from toolbox.progress import EpochProgress

from .base import TrainerBase
from .simple_net import SimpleNet

__all__ = ["AverageMeter", "MetricMeter", "SimpleNet", "SimpleTrainer", "TrainerBase", "TrainerX", "TrainerXU"]


def __getattr__(name: str) -> Any:
    """`SummaryWriter`, which trainers of others import from here; slow to import, so only where it is asked for."""
    if name == "SummaryWriter":
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class SimpleTrainer(TrainerBase):
    """Builds data, model and evaluator from the configuration; saves, evaluates and resumes as it says."""

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        self.check_cfg(cfg)
        self.device = torch.device("cuda" if torch.cuda.is_available() and cfg.USE_CUDA else "cpu")
        self.start_epoch = self.epoch = 0
        self.max_epoch = cfg.OPTIM.MAX_EPOCH
        self.output_dir = cfg.OUTPUT_DIR
        self.cfg = cfg
        self.build_data_loader()
        self.build_model()
        self.evaluator = build_evaluator(cfg, lab2cname=self.lab2cname)
        self.best_result = -float("inf")

    def check_cfg(self, cfg: CfgNode) -> None:
        """Hook: refuse a configuration this trainer cannot run."""

    def build_data_loader(self) -> None:
        """Set the loaders and num_classes, num_source_domains, lab2cname; an override must set the same."""
        self.dm = DataManager(self.cfg)
        self.train_loader_x = self.dm.train_loader_x
        self.train_loader_u = self.dm.train_loader_u
        self.val_loader = self.dm.val_loader
        self.test_loader = self.dm.test_loader
        self.num_classes = self.dm.num_classes
        self.num_source_domains = self.dm.num_source_domains
        self.lab2cname = self.dm.lab2cname

    def build_model(self) -> None:
        """Make and register the model; most trainers override this."""
        cfg = self.cfg
        print("Building model")
        self.model = SimpleNet(cfg, cfg.MODEL, self.num_classes)
        if cfg.MODEL.INIT_WEIGHTS:
            load_pretrained_weights(self.model, cfg.MODEL.INIT_WEIGHTS)
        self.model.to(self.device)
        print(f"# params: {count_num_param(self.model):,}")
        self.optim = build_optimizer(self.model, cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, cfg.OPTIM)
        self.register_model("model", self.model, self.optim, self.sched)
        if self.device.type == "cuda" and torch.cuda.device_count() > 1:
            print(f"Detected {torch.cuda.device_count()} GPUs (use nn.DataParallel)")
            self.model = nn.DataParallel(self.model)

    def train(self) -> None:
        """Train from the checkpoint that is found, or from scratch, to the last epoch."""
        super().train(self.start_epoch, self.max_epoch)

    def before_train(self) -> None:
        self.start_epoch = self.resume_model_if_exist(self.cfg.RESUME or self.output_dir)
        self.init_writer(str(Path(self.output_dir) / "tensorboard"))
        self.time_start = time.monotonic()

    def after_train(self) -> None:
        print("Finish training")
        if not self.cfg.TEST.NO_TEST:
            if self.cfg.TEST.FINAL_MODEL == "best_val":
                print("Deploy the model with the best val performance")
                self.load_model(self.output_dir)
            else:
                print("Deploy the last-epoch model")
            self.test()
        print(f"Elapsed: {datetime.timedelta(seconds=round(time.monotonic() - self.time_start))}")
        self.close_writer()

    def after_epoch(self) -> None:
        done = self.epoch + 1
        if not self.cfg.TEST.NO_TEST and self.cfg.TEST.FINAL_MODEL == "best_val":
            result = self.test(split="val")
            if result > self.best_result:
                self.best_result = result
                self.save_model(self.epoch, self.output_dir, val_result=result, model_name="model-best.pth.tar")
        every = self.cfg.TRAIN.CHECKPOINT_FREQ
        if done == self.max_epoch or (every > 0 and done % every == 0):
            self.save_model(self.epoch, self.output_dir)

    @torch.no_grad()
    def test(self, split: str | None = None) -> float:
        """Evaluate on "val" or "test" (also where there is no val); returns the evaluator's first result."""
        self.set_model_mode("eval")
        self.evaluator.reset()
        split = split or self.cfg.TEST.SPLIT
        if split != "val" or self.val_loader is None:
            split = "test"
        print(f"Evaluate on the *{split}* set")
        loader = self.val_loader if split == "val" else self.test_loader
        for batch in tqdm(loader, desc=split, disable=None, leave=False):  # None: no bar unless on a terminal
            input, label = self.parse_batch_test(batch)
            self.evaluator.process(self.model_inference(input), label)
        results = self.evaluator.evaluate()
        for name, value in results.items():
            self.write_scalar(f"{split}/{name}", value, self.epoch)
        return next(iter(results.values()))

    def model_inference(self, input: torch.Tensor) -> torch.Tensor:
        return self.model(input)

    def parse_batch_test(self, batch: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (batch, 3, height, width) and labels (batch,) on the device."""
        return batch["img"].to(self.device), batch["label"].to(self.device)

    def get_current_lr(self, names: str | list[str] | None = None) -> float:
        """Learning rate of the first parameter group of the first model."""
        name = self.get_model_names(names)[0]
        return self._optims[name].param_groups[0]["lr"]

    def run_batches(self, batches: Iterable[tuple]) -> None:
        """One epoch of `self.num_batches` batches: `forward_backward(*batch)` for each, with log lines and events."""
        self.set_model_mode("train")
        progress = EpochProgress(self.epoch, self.max_epoch, self.num_batches)
        every = self.cfg.TRAIN.PRINT_FREQ or self.num_batches  # 0: the last line of an epoch alone
        for self.batch_idx, batch in enumerate(batches):
            progress.data_ready()
            progress.step_done(self.forward_backward(*batch))
            if (self.batch_idx + 1) % every == 0 or self.num_batches < every:
                print(progress.line(self.batch_idx, self.get_current_lr()))
            step = self.epoch * self.num_batches + self.batch_idx
            for name, meter in progress.losses.meters.items():
                self.write_scalar(f"train/{name}", meter.avg, step)
            self.write_scalar("train/lr", self.get_current_lr(), step)
            progress.next_batch()


class TrainerX(SimpleTrainer):
    """Trains on labelled data alone."""

    def run_epoch(self) -> None:
        self.num_batches = len(self.train_loader_x)
        self.run_batches((batch,) for batch in self.train_loader_x)

    def parse_batch_train(self, batch: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images, labels and domains on the device."""
        return tuple(batch[key].to(self.device) for key in ("img", "label", "domain"))


class TrainerXU(SimpleTrainer):
    """Trains on labelled and unlabelled batches side by side; the shorter of the two loaders starts again."""

    def run_epoch(self) -> None:
        self.num_batches = self._count_batches()
        labelled, unlabelled = _endless(self.train_loader_x), _endless(self.train_loader_u)
        self.run_batches((next(labelled), next(unlabelled)) for _ in range(self.num_batches))

    def _count_batches(self) -> int:
        lengths = {"train_x": len(self.train_loader_x), "train_u": len(self.train_loader_u)}
        lengths["smaller_one"] = min(lengths.values())
        rule = self.cfg.TRAIN.COUNT_ITER
        if rule not in lengths:
            raise UserError(f'TRAIN.COUNT_ITER: unknown "{rule}"; known: {", ".join(lengths)}')
        return lengths[rule]

    def parse_batch_train(
        self,
        batch_x: dict[str, Any],
        batch_u: dict[str, Any],
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Labelled images, their labels, unlabelled images, on the device."""
        return batch_x["img"].to(self.device), batch_x["label"].to(self.device), batch_u["img"].to(self.device)


def _endless(loader: Iterable) -> Iterator:
    while True:
        yield from loader
