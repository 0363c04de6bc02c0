"""Image features of the frozen image tower, computed once for a list of files: kept in memory and, on request, on disk.

Methods without visual prompts see the same features whatever they learn. They are shared by all methods and seeds of a
process; with DATALOADER.CACHE_FEATURES also by later processes. The key is everything they depend on: backbone weights,
precision and device, how images are read, transform, and the files with their sizes and times.
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
from datasets.cache import files_key
from datasets.loader import ImageDataset
from toolbox.files import atomic_write, writable
from trainers.life.run import Run
from vlm.prompts.prompted import PromptedCLIP

FORMAT = 2
KEPT = 8  # lists of files in memory
_memory: "OrderedDict[str, Tensor]" = OrderedDict()


@dataclass
class Features:
    """Normalised features (n, embed_dim) in float32 and labels (n,), on the trainer's device, and the files."""

    values: Tensor
    labels: Tensor
    paths: Sequence[str]

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


def of_loader(trainer: Run, loader: DataLoader) -> Features:
    """Features of a loader that goes through its files in order, computed only if they are not kept anywhere."""
    items = loader.dataset.data_source
    paths = [item.impath for item in items]
    key = _key(trainer, [repr(loader.dataset.transform), *loader.dataset.reading.key()], paths)
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
    while len(_memory) > KEPT:
        _memory.popitem(last=False)
    labels = torch.tensor([item.label for item in items], device=trainer.device)
    return Features(values.to(trainer.device), labels, paths)


@torch.no_grad()
def compute(trainer: Run, loader: DataLoader) -> Tensor:
    """Features of the images a loader gives, (n, embed_dim), on the trainer's device.

    Random states are left as they were: going through a loader draws a seed, and whether features are kept already must
    not decide the numbers a run draws after this.
    """
    with torch.random.fork_rng(devices=[]), trainer.precision.context():
        return torch.cat([trainer.model.clip.image(batch["img"].to(trainer.device)).float() for batch in loader])


def _key(trainer: Run, pixels: list, paths: Sequence[str]) -> str:
    what = [FORMAT, trainer.model.clip.weights_hash, trainer.precision.name, trainer.device.type, *pixels]
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
