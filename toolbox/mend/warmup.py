"""Schedules that start low for some epochs and then hand over to another schedule, as Dassl's do."""

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class WarmupScheduler(LRScheduler):
    """Base: `warmup_lrs()` for the first `warmup_epoch` epochs, then what `successor` says, counted from there.

    Its state holds the successor's state, not the successor, so that a checkpoint is plain data.
    """

    def __init__(self, optimizer: Optimizer, successor: LRScheduler, warmup_epoch: int, last_epoch: int = -1) -> None:
        self.successor = successor
        self.warmup_epoch = warmup_epoch
        super().__init__(optimizer, last_epoch)

    def warmup_lrs(self) -> list[float]:
        """Learning rates of the current warm-up epoch, one a parameter group."""
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        if self.last_epoch >= self.warmup_epoch:
            return self.successor.get_last_lr()
        return self.warmup_lrs()

    def step(self, epoch: int | None = None) -> None:
        if self.last_epoch >= self.warmup_epoch:
            self.successor.step(epoch)
            self._last_lr = self.successor.get_last_lr()
        else:
            super().step(epoch)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "successor": self.successor.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        own = dict(state_dict)
        self.successor.load_state_dict(own.pop("successor"))
        super().load_state_dict(own)


class ConstantWarmupScheduler(WarmupScheduler):
    """The same low rate `cons_lr` in every warm-up epoch."""

    def __init__(
        self,
        optimizer: Optimizer,
        successor: LRScheduler,
        warmup_epoch: int,
        cons_lr: float,
        last_epoch: int = -1,
    ) -> None:
        self.cons_lr = cons_lr
        super().__init__(optimizer, successor, warmup_epoch, last_epoch)

    def warmup_lrs(self) -> list[float]:
        return [self.cons_lr] * len(self.base_lrs)


class LinearWarmupScheduler(WarmupScheduler):
    """`min_lr` in the first epoch, then a straight line through zero to the full rate at the end of the warm-up."""

    def __init__(
        self,
        optimizer: Optimizer,
        successor: LRScheduler,
        warmup_epoch: int,
        min_lr: float,
        last_epoch: int = -1,
    ) -> None:
        self.min_lr = min_lr
        super().__init__(optimizer, successor, warmup_epoch, last_epoch)

    def warmup_lrs(self) -> list[float]:
        if self.last_epoch == 0:
            return [self.min_lr] * len(self.base_lrs)
        return [rate * self.last_epoch / self.warmup_epoch for rate in self.base_lrs]
