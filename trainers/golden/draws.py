"""Few-shot draws of SS-Text's program: images a class, and which."""

from collections.abc import Iterator

import torch

from datasets.quotas import indices, quotas
from trainers.life.recording import Column, Recording


class Draws:
    """A case has the class sizes of some `pools`, and `counts` of each "<pool>/<draw>/k<shots>"."""

    recorded_as = ("few-shot draws",)

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        case, arrays = recording.case, recording.arrays
        for cell in case["counts"]:
            pool, draw, shots = cell.split("/")
            labels = arrays[f"{pool}/labels"].long()
            wanted = quotas(case["pools"][pool], int(shots.removeprefix("k")), draw)
            taken = [min(n, there) for n, there in zip(wanted, labels.bincount().tolist(), strict=True)]
            yield Column(f"{cell}/counts", torch.tensor(taken), 0.0)
            for seed in case["seeds"]:
                yield Column(f"{cell}/seed{seed}", torch.tensor(indices(labels, wanted, seed)), 0.0)
