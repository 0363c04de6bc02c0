"""The order in which a loader visits its items. All draws come from the process's random states."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data.sampler import RandomSampler, Sampler, SequentialSampler
from yacs.config import CfgNode

from toolbox.errors import UserError, nearest


class _GroupSampler(Sampler):
    """Base: batches made of equal parts from several groups of items (domains or classes)."""

    def __init__(self, data_source: Sequence, batch_size: int, group_of: Callable[[Any], int]) -> None:
        self.data_source = data_source
        self.batch_size = batch_size
        self.groups: dict[int, list[int]] = defaultdict(list)
        for index, item in enumerate(data_source):
            self.groups[group_of(item)].append(index)

    def __iter__(self) -> Iterator[int]:
        return iter(self.draw())

    def draw(self) -> list[int]:
        """The indices of one epoch."""
        raise NotImplementedError


class RandomDomainSampler(_GroupSampler):
    """`n_domain` random domains (0: all) a batch, with equally many random images of each; no image twice."""

    def __init__(self, data_source: Sequence, batch_size: int, n_domain: int) -> None:
        super().__init__(data_source, batch_size, lambda item: item.domain)
        self.domains = sorted(self.groups)
        self.n_domain = n_domain if n_domain and n_domain > 0 else len(self.domains)
        if batch_size % self.n_domain:
            raise UserError(f"the batch size {batch_size} must be a multiple of the {self.n_domain} domains in a batch")
        self.n_img_per_domain = batch_size // self.n_domain
        self.length = len(self.draw())

    def __len__(self) -> int:
        return self.length

    def choose(self) -> list[int]:
        """The domains of the next batch."""
        return random.sample(self.domains, self.n_domain)

    def draw(self) -> list[int]:
        # Each domain's images are shuffled once and taken from the end: the same as drawing without replacement.
        left = {domain: random.sample(indices, len(indices)) for domain, indices in self.groups.items()}
        order: list[int] = []
        while all(len(indices) >= self.n_img_per_domain for indices in left.values()):
            for domain in self.choose():
                order += [left[domain].pop() for _ in range(self.n_img_per_domain)]
        return order


class SeqDomainSampler(RandomDomainSampler):
    """All domains in order in each batch, with equally many random images of each."""

    def __init__(self, data_source: Sequence, batch_size: int) -> None:
        super().__init__(data_source, batch_size, n_domain=0)

    def choose(self) -> list[int]:
        return self.domains


class RandomClassSampler(_GroupSampler):
    """`batch_size // n_ins` random classes a batch with `n_ins` images of each; small classes repeat images."""

    def __init__(self, data_source: Sequence, batch_size: int, n_ins: int) -> None:
        if batch_size < n_ins:
            raise UserError(f"DATALOADER: the batch size {batch_size} must be at least N_INS={n_ins}")
        super().__init__(data_source, batch_size, lambda item: item.label)
        self.n_ins = n_ins
        self.labels = list(self.groups)
        self.ncls_per_batch = batch_size // n_ins
        if len(self.labels) < self.ncls_per_batch:
            raise UserError(
                f"DATALOADER: a batch of {batch_size} with N_INS={n_ins} wants {self.ncls_per_batch} classes, "
                f"but there are {len(self.labels)}"
            )
        self.length = len(self.draw())

    def __len__(self) -> int:
        return self.length

    def draw(self) -> list[int]:
        left = {label: self._portions(indices) for label, indices in self.groups.items()}
        available = list(self.labels)
        order: list[int] = []
        while len(available) >= self.ncls_per_batch:
            for label in random.sample(available, self.ncls_per_batch):
                order += left[label].pop(0)
                if not left[label]:
                    available.remove(label)
        return order

    def _portions(self, indices: list[int]) -> list[list[int]]:
        """The images of a class in random order, cut into portions of `n_ins`; a rest is left out."""
        if len(indices) < self.n_ins:
            indices = np.random.choice(indices, size=self.n_ins, replace=True).tolist()
        shuffled = random.sample(indices, len(indices))
        whole = len(shuffled) // self.n_ins
        return [shuffled[i * self.n_ins : (i + 1) * self.n_ins] for i in range(whole)]


def build_sampler(
    sampler_type: str,
    cfg: CfgNode | None = None,
    data_source: Sequence | None = None,
    batch_size: int = 32,
    n_domain: int = 0,
    n_ins: int = 16,
) -> Sampler:
    """The sampler called `sampler_type`; UserError when there is none of that name."""
    makers = {
        "RandomSampler": lambda: RandomSampler(data_source),
        "SequentialSampler": lambda: SequentialSampler(data_source),
        "RandomDomainSampler": lambda: RandomDomainSampler(data_source, batch_size, n_domain),
        "SeqDomainSampler": lambda: SeqDomainSampler(data_source, batch_size),
        "RandomClassSampler": lambda: RandomClassSampler(data_source, batch_size, n_ins),
    }
    if sampler_type not in makers:
        raise UserError(f'DATALOADER: unknown sampler "{sampler_type}"; {nearest(sampler_type, makers)}')
    return makers[sampler_type]()
