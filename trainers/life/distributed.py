"""One run over several GPUs (or processes): `torchrun --nproc-per-node N train.py ...`.

DATALOADER.TRAIN_X.BATCH_SIZE stays the size of the whole batch: all processes draw the same batches and each takes its
share, so a run over N processes is the run of one, up to the order of sums (and of random augmentation). The first
process alone writes and tests.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Sampler

from toolbox.errors import UserError
from vlm.prompts.prompted import PromptedCLIP


def world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process writes files and tests."""
    return not dist.is_initialized() or dist.get_rank() == 0


@contextmanager
def process_group() -> Iterator[None]:
    """Join the group that torchrun made, if it started this process."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield
        dist.barrier()  # the others wait for the first, which tests
    finally:
        dist.destroy_process_group()


def by_first(decide: Callable[[], bool]) -> bool:
    """What the first process finds; the others wait for it."""
    if not dist.is_initialized():
        return decide()
    found = [decide() if is_first() else None]
    dist.broadcast_object_list(found)
    return found[0]


class Share(Sampler):
    """This process's part of every batch; all processes must draw the same batches.

    Raises:
        UserError: a batch cannot be divided evenly, which would weigh images differently.
    """

    def __init__(self, batches: Sampler) -> None:
        size = min(batches.batch_size, len(batches.sampler))
        if size % world():
            raise UserError(
                f"a batch of {size} images is not a multiple of the {world()} processes; "
                "change DATALOADER.TRAIN_X.BATCH_SIZE"
            )
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.batches:
            yield batch[dist.get_rank() :: world()]


def share(loader: DataLoader) -> DataLoader:
    """`loader`, giving this process its share of each batch."""
    if world() == 1:
        return loader
    return DataLoader(
        loader.dataset,
        batch_sampler=Share(loader.batch_sampler),
        num_workers=loader.num_workers,
        pin_memory=loader.pin_memory,
        collate_fn=loader.collate_fn,
    )


class _Loss(nn.Module):
    """The loss as a forward pass, which is what DistributedDataParallel knows how to follow."""

    def __init__(self, model: PromptedCLIP) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.loss(images, labels)


def loss_of(model: PromptedCLIP):
    """`model.loss`, with gradients averaged over the processes."""
    if world() == 1:
        return model.loss
    # A control without rows has interventions that nothing reaches.
    return DistributedDataParallel(_Loss(model), find_unused_parameters=True)
