"""Gradient descent on image features that are kept: no tower runs, so an epoch is a few matrix products."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from toolbox.errors import UserError


class Step(NamedTuple):
    """Logits (batch, n_cls) and loss of one batch, before the update that follows from them."""

    logits: Tensor
    loss: Tensor


def shuffled(features: Tensor, labels: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Features (n, embed_dim) and labels (n,) in batches of `size`, in random order; the last may be smaller."""
    for rows in torch.randperm(len(labels)).to(labels.device).split(size):
        yield features[rows], labels[rows]


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Share of right answers in percent, a scalar."""
    return 100 * (logits.argmax(-1) == labels.flatten()).double().mean()


def balanced_accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the classes that occur of the share of right answers in percent, a scalar."""
    labels = labels.flatten()
    right = (logits.argmax(-1) == labels).double()
    return 100 * torch.stack([right[labels == c].mean() for c in labels.unique()]).mean()


def descend(
    loss: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: Optimizer,
    schedule: LRScheduler | None = None,
) -> Iterator[Step]:
    """One optimiser step a batch. Each is yielded before its update, while gradients and what they belong to can be read.

    Args:
        loss: logits and loss of a batch.
        batches: features and labels.
        schedule: stepped after every update.

    Raises:
        UserError: a loss is not finite.
    """
    for features, labels in batches:
        step = Step(*loss(features, labels))
        if not torch.isfinite(step.loss):
            raise UserError("the loss is not finite; lower OPTIM.LR")
        optimizer.zero_grad()
        step.loss.backward()
        yield Step(step.logits.detach(), step.loss.detach())
        optimizer.step()
        if schedule is not None:
            schedule.step()
