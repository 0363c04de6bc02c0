"""PromptTrainer: the life cycle that all prompt-tuning methods share, on Dassl's TrainerX.

A method is a subclass that says what its model is (the model says its loss, if that is not cross-entropy):

    @TRAINER_REGISTRY.register()
    class MyMethod(PromptTrainer):
        section = "MYMETHOD"                      # cfg.TRAINER.MYMETHOD
        defaults = {"N_CTX": Option(4, "context vectors", 1, 64)}  # its keys; PREC is added to every section

        def make_model(self, clip, classnames):   # a vlm.prompts.prompted.PromptedCLIP
            return MyModel(clip, classnames, self.options.N_CTX)

Loading, freezing, precision, optimiser, schedule, checkpoints, resume, testing and results come from here.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

import toolbox
import vlm
from dassl.data import DataManager
from dassl.metrics import compute_accuracy
from dassl.optim import build_lr_scheduler, build_optimizer
from datasets.loader import ImageDataset, quiet_when_left_alone
from llm.class_text import class_texts
from toolbox.checkpoints import BEST
from toolbox.errors import UserError
from trainers.life import checkpoint, distributed, features, fingerprint, lacking
from trainers.life.descent import Step, accuracy, balanced_accuracy, descend, shuffled  # noqa: F401  methods' door to it
from trainers.life.epoch import EpochTrainer
from trainers.life.events import Events, naming_the_file
from trainers.life.features import Features
from trainers.life.passes import Passes, why_no_graph
from trainers.life.precision import Precision
from trainers.life.preprocessing import check_preprocessing, with_preprocessing
from trainers.life.recording import Column, Recording
from trainers.life.testing import test_run
from vlm.prompts.averaging import GaussianAverage
from vlm.prompts.class_features import choose_templates
from vlm.prompts.prompted import PromptedCLIP

MOST_TEXT, MOST_VISION, MOST_LAYERS = 245, 1000, 200  # prompts and layers: more than any CLIP has room for

TEMPLATES_HELP = (
    "hand-written prompts: first or all of the data set's own, imagenet (60 of them), or your own with {} in each, "
    'separated by ";"'
)


class PromptTrainer(EpochTrainer):
    """Base of all methods.

    Class attributes:
        section: name of the method's part of `cfg.TRAINER`.
        defaults: its keys, each an `Option` (default, what it is, what is allowed) or just its default value.
        folder: where its checkpoints go, under the output folder; as in the method's reference program.
        trains: False for methods on frozen features: `fit` makes what they have in one go, and then they are tested.
        schedule_by: what the learning rate's schedule counts, "epoch" or "step".
        needs_every_class: it has nothing for a class without training images, such as a realistic draw may leave.
        recorded_as: what recordings of its reference programs call it, beside its own name (see `trainers.golden`).
    """

    section = ""
    defaults: dict[str, Any] = {}
    folder = "prompt_learner"
    trains = True
    schedule_by = "epoch"
    needs_every_class = False
    recorded_as: tuple[str, ...] = ()
    named: SimpleNamespace | None = None  # class names to build for without data, where a run is opened again
    trained_in: Path | None = None  # folder of the run whose weights are to be tested

    def make_model(self, clip: vlm.Backbone, classnames: list[str]) -> PromptedCLIP:
        """The method's model over the frozen backbone."""
        raise NotImplementedError(f"{type(self).__name__} must say what its model is: define make_model")

    @classmethod
    def from_recording(cls, clip: vlm.Backbone, case: dict, arrays: dict[str, Tensor]) -> PromptedCLIP:
        """The model of a golden case (see `trainers.golden`); its parameters are filled in by the caller."""
        raise UserError(f"{cls.__name__} has no recordings")

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        """What we compute for the columns of a recording; a method adds its own to logits, loss and gradients."""
        yield from recording.step(recording.model(cls))

    def average(self) -> GaussianAverage | None:
        """A Gaussian average over the epochs, for methods that end with one."""
        return None

    def make_optimizer(self) -> torch.optim.Optimizer:
        """What OPTIM says, over all that is trained."""
        return build_optimizer(self.model, self.cfg.OPTIM)

    def make_schedule(self) -> LRScheduler:
        """What OPTIM says, over epochs; over steps where the method's `schedule_by` is "step"."""
        return build_lr_scheduler(self.optim, self.cfg.OPTIM)

    def fit(self) -> None:
        """For methods that do not train by epochs: put into the model what they make of the training images."""

    @classmethod
    def hashes(cls, cfg, dataset: str, classnames: Sequence[str], trained_in: Path | None) -> dict[str, str]:
        """SHA-256, by name, of what else decides the weights: the contents of files that options name (`..._FILE`)."""
        return fingerprint.of_files(cfg.TRAINER[cls.section])

    @property
    def options(self):
        """The method's own part of the configuration."""
        return self.cfg.TRAINER[self.section]

    def _class_texts(self) -> list[str]:
        """What stands for each class in prompts: its name, unless DATASET.CLASS_TEXT asks for more."""
        dataset, kind = self.dm.dataset, self.cfg.DATASET.get("CLASS_TEXT", "name")
        return class_texts(kind, getattr(dataset, "name", self.cfg.DATASET.NAME), dataset.classnames)

    def templates(self) -> list[str]:
        """The hand-written prompts that TRAINER.<METHOD>.TEMPLATES asks for."""
        of_dataset = getattr(self.dm.dataset, "templates", None)
        chosen = choose_templates(self.options.TEMPLATES, of_dataset, f"TRAINER.{self.section}.TEMPLATES")
        print(f"Templates: {chosen[:3]}" + (f" and {len(chosen) - 3} more" if len(chosen) > 3 else ""))
        return chosen

    def image_features(self, items: Sequence) -> Features:
        """Frozen features of a data set's items (such as `dm.dataset.train_x`), computed once and kept."""
        return features.of_items(self, items)

    def view(self, items: Sequence, number: int) -> Features:
        """The same of one augmented view of each image; SEED and `number` decide which."""
        return features.of_view(self, items, number)

    def views(self, items: Sequence, epochs: int, taken: int, first: int = 0) -> Iterator[Features]:
        """A view an epoch, from number `first` on: `taken` of them in turn, or with 0 another every epoch."""
        kept = [self.view(items, first + i) for i in range(min(taken, epochs))]
        for epoch in range(epochs):
            yield kept[epoch % taken] if taken else self.view(items, first + epoch)

    # Building

    def __init__(self, cfg) -> None:
        backbone = cfg.MODEL.BACKBONE
        super().__init__(with_preprocessing(cfg, vlm.load(backbone.NAME, image_size=backbone.get("IMAGE_SIZE", 0))))
        if self.named is None:  # what decides the weights and figures this run ends with, before anything can change
            self.fingerprint = fingerprint.of_run(self)

    def check_cfg(self, cfg) -> None:
        self._started, self._seconds_before, self.starts = time.monotonic(), 0.0, 1
        self.resumable_epoch = 0  # the newest epoch that a checkpoint by this process lets a run go on from
        self.precision = Precision(cfg.TRAINER[self.section].PREC, self._device(cfg))

    @staticmethod
    def _device(cfg) -> torch.device:
        return torch.device("cuda" if torch.cuda.is_available() and cfg.USE_CUDA else "cpu")

    def build_data_loader(self) -> None:
        if self.named is not None:
            self.dm = SimpleNamespace(dataset=self.named)
            self.num_classes, self.lab2cname = len(self.named.classnames), dict(enumerate(self.named.classnames))
            return
        self.dm = DataManager(self.cfg, dataset_wrapper=ImageDataset)
        loaders = ("train_loader_x", "train_loader_u", "val_loader", "test_loader")
        for name in (*loaders, "num_classes", "lab2cname", "num_source_domains"):
            setattr(self, name, getattr(self.dm, name))
        self.train_loader_x = distributed.share(self.train_loader_x)
        for loader in filter(None, (self.train_loader_x, self.val_loader, self.test_loader)):
            loader.worker_init_fn = quiet_when_left_alone

    def build_model(self) -> None:
        backbone = self.cfg.MODEL.BACKBONE
        clip = vlm.load(backbone.NAME, self.device, self.precision.weights, backbone.get("IMAGE_SIZE", 0))
        check_preprocessing(self.cfg, clip)
        print(f"Backbone: {clip.name}, {self.precision.name}; {toolbox.host()}")
        self.model = self.make_model(clip, self._class_texts()).to(self.device)
        self.scaler = self.precision.scaler
        self.optim = self.sched = None
        if not self.trains:
            self.max_epoch = 0
        else:
            trained = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
            print(f"Trained parameters: {trained:,}")
            self.optim = self.make_optimizer()
            self.sched = self.make_schedule()
            loss, graph = distributed.loss_of(self.model), self.cfg.TRAIN.get("CUDA_GRAPH", "auto")
            self.passes = Passes(
                loss, self.model, self.precision, graph, why_no_graph(self.device), self.model.backward
            )
        self.register_model(self.folder, self.model, self.optim, self.sched)
        self.gaussian = self.average()
        self.step_seconds: list[float] = []

    # Training

    def forward_backward(self, batch: dict) -> dict[str, Tensor]:
        """One step. What it reports stays on the device; nothing here may wait for it."""
        images, labels = self.parse_batch_train(batch)
        logits, loss = self.passes(images, labels)
        self.precision.update(self.optim, self.model.max_grad_norm)
        if self.schedule_by == "step" or self.batch_idx + 1 == self.num_batches:
            self.update_lr()
        return {"loss": loss.detach(), "acc": compute_accuracy(logits.detach(), labels)[0]}

    def parse_batch_train(self, batch: dict) -> tuple[Tensor, Tensor]:
        return batch["img"].to(self.device, non_blocking=True), batch["label"].to(self.device, non_blocking=True)

    def after_epoch(self) -> None:
        self._check_finite()
        if self.gaussian is not None:
            self.gaussian.add()
            if self.epoch + 1 == self.max_epoch:
                self.gaussian.apply()
                print("Prompts are now their Gaussian average over the epochs")
        if distributed.is_first():
            super().after_epoch()
            checkpoint.keep_for_resume(self)

    def init_writer(self, log_dir: str) -> None:
        if distributed.is_first() and self._writer is None:
            with naming_the_file(log_dir):
                super().init_writer(log_dir)
            self._writer = Events(self._writer, log_dir)

    def after_train(self) -> None:
        if distributed.is_first():
            super().after_train()

    def train(self) -> None:
        lacking.check_images(self)
        if self.trains:
            super().train()
        elif distributed.is_first():
            self.time_start = time.monotonic()
            self.fit()
            if self.model.state_dict():
                self.save_model(0, self.output_dir)
            self.test()

    def extra_state(self) -> dict:
        average = {} if self.gaussian is None else {"gaussian": self.gaussian.state_dict()}
        counts = {"overflows": self.precision.overflows, "train_seconds": self.train_seconds(), "starts": self.starts}
        return {**super().extra_state(), **average, **counts, "identity": self._identity()}

    def _identity(self) -> dict[str, str]:
        """What a run that goes on must have in common with the one that stopped: also what the device decides."""
        return {**self.fingerprint, "precision": self.precision.name}

    def resume_model_if_exist(self, directory: str) -> int:
        epoch = super().resume_model_if_exist(directory)
        if epoch:  # the weights alone, which may be missing or damaged here, are as good as what is gone on from
            checkpoint.save_trained(self, epoch, Path(self.output_dir) / self.folder, is_best=False)
        return epoch

    def check_extra_state(self, state: dict, directory: str) -> None:
        super().check_extra_state(state, directory)
        fingerprint.check_same_run(state.get("identity", {}), self._identity(), directory)

    def load_extra_state(self, state: dict) -> None:
        super().load_extra_state(state)
        self.precision.overflows = state.get("overflows", 0)
        self.starts = state.get("starts", 0) + 1
        self._seconds_before = state.get("train_seconds", 0.0)
        if self.gaussian is not None and "gaussian" in state:
            self.gaussian.load_state_dict(state["gaussian"])

    def save_model(self, epoch, directory, is_best=False, val_result=None, model_name="") -> None:
        # What training resumes from is written last: a run killed in between repeats the epoch and writes both again.
        best = is_best or model_name == BEST
        checkpoint.save_trained(self, epoch + 1, Path(directory) / self.folder, best)
        super().save_model(epoch, directory, is_best, val_result, model_name)
        if not model_name:
            self.resumable_epoch = epoch + 1

    def train_seconds(self) -> float:
        """Time since the first start of the run, without the time it was stopped and what was done twice."""
        return self._seconds_before + time.monotonic() - self._started

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """Load what a run trained, ours or the reference program's, and check that it fits this model.

        Raises:
            UserError: it does not fit; or no folder is given, though without one there is nothing to test.
        """
        if not self.model.state_dict():
            return
        if directory:
            checkpoint.load_trained(self, Path(directory), epoch)
        elif not self.trains:
            raise UserError(f"{type(self).__name__} is nothing without its training images: give --model-dir")

    @torch.no_grad()
    def test(self, split: str | None = None) -> float:
        """Evaluate on `split`, print Dassl's result block and, for the final test, write the run's results."""
        self.set_model_mode("eval")
        return test_run(self, split or self.cfg.TEST.SPLIT)
