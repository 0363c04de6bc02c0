"""The log lines of an epoch; other people's scripts parse them."""

import datetime
import time

from dassl.utils import AverageMeter, MetricMeter


class EpochProgress:
    """Times the batches of one epoch and formats `epoch [1/5] batch [1/10] time ... data ... loss ... lr ... eta ...`."""

    def __init__(self, epoch: int, max_epoch: int, num_batches: int) -> None:
        self.epoch, self.max_epoch, self.num_batches = epoch, max_epoch, num_batches
        self.losses = MetricMeter()
        self.batch_time, self.data_time = AverageMeter(), AverageMeter()
        self._start = time.time()

    def data_ready(self) -> None:
        """The loader has given a batch."""
        self.data_time.update(time.time() - self._start)

    def step_done(self, summary: dict[str, float] | None) -> None:
        """The model has been updated; `summary` is what `forward_backward` returned."""
        self.batch_time.update(time.time() - self._start)
        self.losses.update(summary)

    def next_batch(self) -> None:
        """Waiting for data begins."""
        self._start = time.time()

    def line(self, batch_idx: int, lr: float) -> str:
        """The log line after batch `batch_idx`, counted from 0."""
        left = (self.max_epoch - self.epoch) * self.num_batches - batch_idx - 1
        eta = datetime.timedelta(seconds=int(self.batch_time.avg * left))
        return (
            f"epoch [{self.epoch + 1}/{self.max_epoch}] "
            f"batch [{batch_idx + 1}/{self.num_batches}] "
            f"time {self.batch_time.val:.3f} ({self.batch_time.avg:.3f}) "
            f"data {self.data_time.val:.3f} ({self.data_time.avg:.3f}) "
            f"{self.losses} lr {lr:.4e} eta {eta}"
        )
