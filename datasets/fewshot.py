"""Few-shot draws: a function of (split, shots, seed, draw) alone: every method, machine and day gets the same images."""

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolbox.errors import UserError
from toolbox.files import atomic_json, writable
from toolbox.plain import parse_json

from .partition import rank
from .pickles import read_coop_pickle
from .quotas import COOP, indices, quotas, with_draw
from .split import Item, Split, ordered, part_id

MAX_VAL_SHOTS = 4


@dataclass
class Draw:
    """The images drawn, and where the choice comes from ("drawn", the name of a CoOp pickle, or of another draw)."""

    train: list[Item]
    val: list[Item]
    source: str

    @property
    def id(self) -> str:
        """SHA-256 over class names, labels and file names of both parts."""
        return part_id([*self.train, *(item._replace(path=f"val:{item.path}") for item in self.val)])


def draw(
    split: Split, shots: int, seed: int, folder: str | Path, fallback: str | Path | None = None, kind: str = COOP
) -> Draw:
    """Draw `shots` training and min(shots, 4) validation images a class (all of them where a class has fewer).

    Of another `kind` than CoOp's, classes have the images of their quotas (`datasets.quotas`), and none validate.
    The draw is kept as `<folder>/shot_<shots>-seed_<seed>[_<kind>].json`, or under `fallback` where `folder` cannot be
    written. A CoOp pickle of that name in `folder` is used instead of a new draw of CoOp's kind if it holds nothing but plain
    data. Raises UserError if a kept draw is not the one this split gives, or a pickle does not fit the split.
    """
    folder = Path(folder)
    stem = with_draw(f"shot_{shots}-seed_{seed}", kind)
    pickle_path = folder / f"{stem}.pkl"
    if kind != COOP:
        chosen = Draw(by_quota(split.train, shots, seed, kind), [], kind)
    elif pickle_path.is_file():
        train, val = read_coop_pickle(pickle_path, split)
        chosen = Draw(train, val or sample(split.val, min(shots, MAX_VAL_SHOTS), seed), pickle_path.name)
    else:
        chosen = Draw(sample(split.train, shots, seed), sample(split.val, min(shots, MAX_VAL_SHOTS), seed), "drawn")
    _keep(chosen, split, shots, seed, [Path(f) / f"{stem}.json" for f in (folder, fallback) if f])
    return chosen


def sample(items: Sequence[Item], shots: int, seed: int) -> list[Item]:
    """`shots` items of every label. The draw of fewer shots is contained in the draw of more with the same seed."""
    by_label: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        by_label[item.label].append(item)
    return ordered(
        item
        for label in by_label
        for item in sorted(by_label[label], key=lambda item: (rank(seed, item.path), item.path))[:shots]
    )


def by_quota(items: Sequence[Item], shots: int, seed: int, kind: str) -> list[Item]:
    """Of every label the images of its quota."""
    items = ordered(items)
    labels = [item.label for item in items]
    counts = [labels.count(label) for label in range(max(labels) + 1)]
    return ordered(items[i] for i in indices(labels, quotas(counts, shots, kind), seed))


def _keep(chosen: Draw, split: Split, shots: int, seed: int, paths: list[Path]) -> None:
    record = {
        "split": part_id([*split.train, *split.val]),
        "shots": shots,
        "seed": seed,
        "source": chosen.source,
        "id": chosen.id,
        "train": [list(item) for item in chosen.train],
        "val": [list(item) for item in chosen.val],
    }
    for path in paths:
        if path.is_file() and not _outdated(path, record):
            return
        if writable(path.parent):
            with contextlib.suppress(OSError):  # a full disk: the draw itself is not lost
                atomic_json(path, record)
                return
    print(f"Few-shot draw not kept: {' and '.join(str(path.parent) for path in paths)} cannot be written")


def _outdated(path: Path, record: dict) -> bool:
    """Whether a kept draw belongs to another split; raises UserError if it belongs to this one but differs."""
    try:
        kept = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = None
    if isinstance(kept, dict) and kept.get("split") not in (None, record["split"]):
        print(f"{path} was drawn from another split; drawn again")
        return True
    if kept != record:
        raise UserError(
            f"{path} does not hold the draw that its split, shots and seed give; delete it and it is written again"
        )
    return False
