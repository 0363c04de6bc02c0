"""What every iterative trainer does: keep models with their optimisers and schedules, and call the hooks in order."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from dassl.utils import tolist_if_not
from toolbox.errors import UserError, nearest
from toolbox.mend.prograd import ProGradStep
from toolbox.mend.resumable import Resumable


class TrainerBase(Resumable, ProGradStep):
    """Life cycle: before_train, then before_epoch, run_epoch, after_epoch for each epoch, then after_train.

    Saving, loading and resuming come from `toolbox.mend.resumable`.
    """

    def __init__(self) -> None:
        self._models: dict[str, nn.Module] = {}
        self._optims: dict[str, Any] = {}
        self._scheds: dict[str, Any] = {}
        self._writer = None

    def register_model(
        self,
        name: str = "model",
        model: nn.Module | None = None,
        optim: Any = None,
        sched: Any = None,
    ) -> None:
        """Make `model` one of those that are saved, loaded, stepped and switched between modes."""
        if "_models" not in self.__dict__:
            raise AttributeError("call super().__init__() before register_model()")
        if name in self._models:
            raise ValueError(f'a model called "{name}" is registered already')
        self._models[name] = model
        self._optims[name] = optim
        self._scheds[name] = sched

    def get_model_names(self, names: str | list[str] | None = None) -> list[str]:
        """All names, or `names` as a list after a check that they are registered."""
        if names is None:
            return list(self._models)
        names = tolist_if_not(names)
        for name in names:
            if name not in self._models:
                raise UserError(f'no model called "{name}"; {nearest(name, self._models)}')
        return names

    def set_model_mode(self, mode: str = "train", names: str | list[str] | None = None) -> None:
        """Switch models to "train", or to "test" or "eval"."""
        if mode not in ("train", "test", "eval"):
            raise KeyError(f'unknown mode "{mode}"')
        for name in self.get_model_names(names):
            self._models[name].train(mode == "train")

    def update_lr(self, names: str | list[str] | None = None) -> None:
        """Step the schedules; a trainer calls this once an epoch."""
        for schedule in self._registered(self._scheds, names):
            schedule.step()

    def detect_anomaly(self, loss: torch.Tensor) -> None:
        """FloatingPointError when the loss is not a finite number."""
        if not torch.isfinite(loss).all():
            raise FloatingPointError(f"the loss is {loss.tolist()}: training has diverged")

    def init_writer(self, log_dir: str) -> None:
        """Start writing TensorBoard events to `log_dir`."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # slow to import, and only training needs it

            print(f"Initialize tensorboard (log_dir={log_dir})")
            self._writer = SummaryWriter(log_dir=log_dir)

    def close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def write_scalar(self, tag: str, scalar_value: float, global_step: int | None = None) -> None:
        """Write one number; does nothing before `init_writer`."""
        if self._writer is not None:
            self._writer.add_scalar(tag, scalar_value, global_step)

    def before_train(self) -> None:
        """Hook: once, before the first epoch."""

    def after_train(self) -> None:
        """Hook: once, after the last epoch."""

    def before_epoch(self) -> None:
        """Hook: before each epoch."""

    def after_epoch(self) -> None:
        """Hook: after each epoch."""

    def run_epoch(self) -> None:
        """One pass over the training data."""
        raise NotImplementedError

    def test(self) -> Any:
        """Evaluate the models."""
        raise NotImplementedError

    def parse_batch_train(self, batch: Any) -> Any:
        """From a batch of the training loader to what the model takes, on the device."""
        raise NotImplementedError

    def parse_batch_test(self, batch: Any) -> Any:
        """From a batch of a test loader to inputs and labels on the device."""
        raise NotImplementedError

    def forward_backward(self, batch: Any) -> dict[str, float]:
        """One step of training; returns what the log shows, by name."""
        raise NotImplementedError

    def model_inference(self, input: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3, height, width) -> logits (batch, n_cls)."""
        raise NotImplementedError

    def model_zero_grad(self, names: str | list[str] | None = None) -> None:
        for optimizer in self._registered(self._optims, names):
            optimizer.zero_grad()

    def model_backward(self, loss: torch.Tensor) -> None:
        self.detect_anomaly(loss)
        loss.backward()

    def model_update(self, names: str | list[str] | None = None) -> None:
        for optimizer in self._registered(self._optims, names):
            optimizer.step()

    def model_backward_and_update(self, loss: torch.Tensor, names: str | list[str] | None = None) -> None:
        """Clear gradients, back-propagate a finite `loss`, step the optimisers."""
        self.model_zero_grad(names)
        self.model_backward(loss)
        self.model_update(names)

    def _registered(self, parts: dict[str, Any], names: str | list[str] | None) -> Iterable[Any]:
        return (parts[name] for name in self.get_model_names(names) if parts[name] is not None)
