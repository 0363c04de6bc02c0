"""An epoch in which what steps report is left on the device until it is shown: a GPU is not waited for in between."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dassl.engine import TrainerX
from dassl.utils import MetricMeter
from toolbox.errors import UserError
from toolbox.progress import EpochProgress


@dataclass
class Report:
    """Of one step: its batch's number from 0 and files, the learning rate behind it, and numbers by name."""

    batch: int
    files: Sequence[str]
    lr: float
    numbers: Mapping[str, float | Tensor]


class Reports:
    """Those of the steps since the last look."""

    def __init__(self) -> None:
        self._waiting: list[Report] = []

    def add(self, report: Report) -> None:
        self._waiting.append(report)

    def read(self) -> list[Report]:
        """All that wait, with their numbers as floats; the host waits for the device once."""
        waiting, self._waiting = self._waiting, []
        tensors = [v.detach().float().reshape(()) for r in waiting for v in r.numbers.values() if isinstance(v, Tensor)]
        values = iter(torch.stack(tensors).tolist() if tensors else ())
        for report in waiting:
            numbers = report.numbers.items()
            report.numbers = {name: next(values) if isinstance(v, Tensor) else float(v) for name, v in numbers}
        return waiting


class EpochTrainer(TrainerX):
    """TrainerX with such epochs; log lines and events are Dassl's.

    A loss or parameter that is not finite ends the run, before it could become a checkpoint.
    """

    step_seconds: list[float]
    chooses = False  # whether the method searches settings or epochs on validation images, besides TEST.FINAL_MODEL

    def run_epoch(self) -> None:
        """As Dassl's, but what steps report is read only when it is printed: a GPU is never waited for in between."""
        self.num_batches = len(self.train_loader_x)
        self.set_model_mode("train")
        progress = EpochProgress(self.epoch, self.max_epoch, self.num_batches)
        every = self.cfg.TRAIN.PRINT_FREQ or self.num_batches  # 0: the last line of an epoch alone
        reports, seconds = Reports(), 0.0
        for index, batch in enumerate(self.train_loader_x):
            self.batch_idx = index
            progress.data_ready()
            began, done = time.perf_counter(), index + 1
            numbers = self.forward_backward(batch) or {}
            reports.add(Report(index, batch.get("impath", []), self.get_current_lr(), numbers))
            printed = done % every == 0 or self.num_batches < every
            read = reports.read() if printed or done == self.num_batches else []
            seconds += time.perf_counter() - began
            if read:  # the host has waited now, so the time is that of the steps
                self.step_seconds += [seconds / len(read)] * len(read)
                seconds = 0.0
            progress.step_done(None)
            self._take(read, progress.losses)
            if printed:
                print(progress.line(index, self.get_current_lr()))
            progress.next_batch()

    def _take(self, reports: Sequence[Report], meters: MetricMeter) -> None:
        """Average what steps reported and write it for TensorBoard; a loss that is not finite ends the run."""
        for report in reports:
            if not math.isfinite(report.numbers.get("loss", 0.0)):
                raise self._broken(report)
            meters.update(report.numbers)
            step = self.epoch * self.num_batches + report.batch
            for name, meter in meters.meters.items():
                self.write_scalar(f"train/{name}", meter.avg, step)
            self.write_scalar("train/lr", report.lr, step)

    def _broken(self, report: Report) -> UserError:
        return UserError(
            f"the loss is not finite at epoch {self.epoch + 1}, batch {report.batch + 1} (files: "
            f"{', '.join(map(str, report.files))}); the last checkpoint in {self.output_dir} is kept; lower OPTIM.LR or use "
            "PREC fp32"
        )

    def _check_finite(self) -> None:
        """The step after the last loss of an epoch can spoil the parameters; then they must not become a checkpoint."""
        spoilt = [name for name, p in self.model.named_parameters() if not torch.isfinite(p).all()]
        if spoilt:
            raise UserError(
                f"parameters are not finite after epoch {self.epoch + 1} ({', '.join(spoilt)}); the last checkpoint in "
                f"{self.output_dir} is kept; lower OPTIM.LR or use PREC fp32"
            )
