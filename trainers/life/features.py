"""Image features of the frozen image tower, computed once for a list of files: kept in memory and, on request, on disk.

Methods without visual prompts see the same features whatever they learn. They are shared by all methods and seeds of a
process; with DATALOADER.CACHE_FEATURES also by later processes. The key is everything they depend on: backbone weights,
precision and device, batch size, how images are read, transform, and the files with their sizes and times; for an
augmented view also its number, the seed, and the number of loading processes, each of which draws for itself.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.utils.data import DataLoader

from dassl.data.data_manager import build_data_loader
from dassl.engine import TrainerX
from dassl.utils import set_random_seed
from datasets.cache import files_key
from datasets.loader import ImageDataset
from toolbox import random_states
from toolbox.files import atomic_write, writable
from trainers.life.run import Run
from vlm.prompts.prompted import PromptedCLIP
from vlm.towers.block import unit

FORMAT = 3
KEPT = 2**28  # bytes in memory
_memory: "OrderedDict[str, Tensor]" = OrderedDict()


@dataclass
class Features:
    """Features of images in float32, their labels and their files.

    Attributes:
        values: normalised, (n, embed_dim), on the trainer's device.
        labels: (n,), likewise.
        raw: as the tower gives them, of any length, for methods that read it.
    """

    values: Tensor
    labels: Tensor
    paths: Sequence[str]
    raw: Tensor | None = None

    def split(self, size: int) -> Iterator["Features"]:
        """In batches."""
        for i in range(0, len(self.paths), size):
            yield Features(self.values[i : i + size], self.labels[i : i + size], self.paths[i : i + size])


def suffice(trainer: Run) -> bool:
    """Whether a method's logits follow from frozen image features, by `classify`."""
    model, kind = trainer.model, type(trainer.model)
    untouched = kind.forward is PromptedCLIP.forward and kind.image_features is PromptedCLIP.image_features
    return untouched and type(trainer).model_inference is TrainerX.model_inference and model.frozen_images


def of_items(trainer: Run, items: Sequence) -> Features:
    """Features of a data set's items (such as `dm.dataset.train_x`) under the test transform."""
    return of_loader(trainer, loader_over(trainer, items))


def loader_over(trainer: Run, items: Sequence, augmented: bool = False) -> DataLoader:
    """A loader over `items` in their order, with the transform of testing or, `augmented`, that of training."""
    like = trainer.train_loader_x if augmented else trainer.test_loader
    return build_data_loader(
        trainer.cfg,
        data_source=items,
        batch_size=trainer.cfg.DATALOADER.TEST.BATCH_SIZE,
        tfm=like.dataset.transform,
        is_train=False,
        dataset_wrapper=ImageDataset,
    )


def of_view(trainer: Run, items: Sequence, number: int) -> Features:
    """Features of one augmented view of each item: the same view for the same number and SEED.

    With a negative SEED, which fixes nothing, each call draws another.
    """
    loader, seed = loader_over(trainer, items, augmented=True), trainer.cfg.SEED
    if seed < 0:
        return _features(trainer, items, compute(trainer, loader))
    states = random_states.capture()
    try:
        set_random_seed(int.from_bytes(hashlib.sha256(f"{seed} {number}".encode()).digest()[:4], "big"))
        return of_loader(trainer, loader, ("view", number, seed, trainer.cfg.DATALOADER.NUM_WORKERS))
    finally:
        random_states.restore(states)


def of_loader(trainer: Run, loader: DataLoader, drawn: Sequence = ()) -> Features:
    """Features of a loader that goes through its files in order, computed only if they are not kept anywhere.

    Args:
        drawn: what decides the random part of its transform, if that has one.
    """
    items = loader.dataset.data_source
    paths = [item.impath for item in items]
    key = _key(trainer, [repr(loader.dataset.transform), *loader.dataset.reading.key(), *drawn], paths)
    file = _folder(trainer.cfg) / f"{key}.safetensors" if trainer.cfg.DATALOADER.CACHE_FEATURES else None
    values = _memory.get(key)
    if values is None and file is not None:
        values = _read(file, len(paths))
    if values is None:
        values = compute(trainer, loader).cpu()
        if file is not None:
            meta = {"sha256": _digest(values), "backbone": trainer.model.clip.name}
            content = save({"features": values}, metadata=meta)  # in memory: save_file hides what is wrong with a disk
            atomic_write(file, lambda part: part.write_bytes(content))
    _memory[key] = values
    _memory.move_to_end(key)
    while len(_memory) > 1 and sum(kept.nbytes for kept in _memory.values()) > KEPT:
        _memory.popitem(last=False)
    return _features(trainer, items, values)


def _features(trainer: Run, items: Sequence, raw: Tensor) -> Features:
    raw = raw.to(trainer.device)
    labels = torch.tensor([item.label for item in items], device=trainer.device)
    return Features(unit(raw), labels, [item.impath for item in items], raw)


@torch.no_grad()
def compute(trainer: Run, loader: DataLoader) -> Tensor:
    """Features of the images a loader gives, of any length, (n, embed_dim), on the trainer's device.

    Random states are left as they were: going through a loader draws a seed, and whether features are kept already must
    not decide the numbers a run draws after this.
    """
    with torch.random.fork_rng(devices=[]), trainer.precision.context():
        image = trainer.model.clip.image
        return torch.cat([image(batch["img"].to(trainer.device), normalised=False).float() for batch in loader])


def _key(trainer: Run, pixels: list, paths: Sequence[str]) -> str:
    size = trainer.cfg.DATALOADER.TEST.BATCH_SIZE  # last digits of a feature depend on how many images stand beside it
    what = [FORMAT, trainer.model.clip.weights_hash, trainer.precision.name, trainer.device.type, size, *pixels]
    return files_key(what, paths)


def _folder(cfg) -> Path:
    if cfg.DATALOADER.CACHE_DIR:
        return Path(cfg.DATALOADER.CACHE_DIR)
    beside = Path(cfg.DATASET.ROOT) / "feature_cache"
    return beside if writable(beside) else Path(cfg.OUTPUT_DIR) / "feature_cache"


def _read(file: Path, count: int) -> Tensor | None:
    """The features in `file`; None, and they are computed again, if it is not there or not what was written."""
    if not file.is_file():
        return None
    try:
        with safe_open(file, framework="pt") as opened:
            values, meta = opened.get_tensor("features"), opened.metadata() or {}
    except (SafetensorError, OSError):
        values, meta = torch.empty(0), {}
    if len(values) == count and meta.get("sha256") == _digest(values):
        return values.clone()  # as aligned in memory as computed ones: rounding depends on it
    print(f"Feature cache {file} is damaged: computed again")
    return None


def _digest(values: Tensor) -> str:
    return hashlib.sha256(values.contiguous().numpy().tobytes()).hexdigest()
