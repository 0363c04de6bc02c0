"""Few-shot draws of SS-Text's program: images a class, and which."""

from collections.abc import Iterator

import torch

from datasets.quotas import QUOTAS, indices, quotas
from toolbox.errors import UserError
from trainers.life.recording import Column, Recording


def cell_of(recording: Recording, name: str) -> tuple[str, str, int]:
    """ "<pool or solver>/<draw>/k<shots>" taken apart. Raises UserError where it is no such name."""
    first, _, rest = name.partition("/")
    draw, _, shots = rest.partition("/k")
    if draw not in QUOTAS or not shots.isdecimal():
        raise UserError(f"{recording.case.path}: {name!r} is not NAME/DRAW/kSHOTS with a draw of {', '.join(QUOTAS)}")
    return first, draw, int(shots)


class Draws:
    """A case has the class sizes of some `pools`, and `counts` of each "<pool>/<draw>/k<shots>"."""

    recorded_as = ("few-shot draws",)

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        case, arrays = recording.case, recording.arrays
        for cell in case["counts"]:
            pool, draw, shots = cell_of(recording, cell)
            labels = arrays[f"{pool}/labels"].long()
            wanted = quotas(labels.bincount().tolist(), shots, draw)
            taken = [min(n, there) for n, there in zip(wanted, labels.bincount().tolist(), strict=True)]
            yield Column(f"{cell}/counts", torch.tensor(taken), 0.0)
            for seed in case["seeds"]:
                yield Column(f"{cell}/seed{seed}", torch.tensor(indices(labels, wanted, seed)), 0.0)
