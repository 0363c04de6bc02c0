"""A world of a few kilobytes in which a whole run takes about a second: images, split, rows and a CLIP of random weights."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from datasets.split import Item, Split, write_split
from datasets.sums import sums_of
from llm.store import save_rows
from vlm.loading.random_clip import random_state

CLASSES = ("round cell", "long cell", "odd cell")
COUNTS = {"train": 6, "val": 2, "test": 4}
EPOCHS = 4
SIZES = {
    "embed_dim": 32,
    "image_resolution": 16,
    "vision_layers": 2,
    "vision_width": 64,
    "vision_patch_size": 8,
    "context_length": 77,
    "vocab_size": 49408,
    "transformer_width": 64,
    "transformer_layers": 2,
}
FOLDERS = {"CILMP": "VLPromptLearner", "CoOp": "prompt_learner"}
OPTIONS = {
    "CILMP": "PROMPT_DEPTH_TEXT 2 PROMPT_DEPTH_VISION 2 N_CTX_TEXT 2 N_CTX_VISION 2 PREFIX_LENGTH 1 SUFFIX_LENGTH 1 "
    "LOW_RANK 2 GPA_MEAN 3.0 GPA_STD 1.0",
    "CoOp": "N_CTX 2",
}


@dataclass(frozen=True)
class World:
    """Files of one world; `suffix` is that of its images."""

    root: Path
    suffix: str = ".png"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def split(self) -> Path:
        return self.data / "cells" / "cells.json"

    @property
    def rows(self) -> Path:
        return self.root / "rows.safetensors"

    @property
    def clip(self) -> Path:
        return self.root / "clip.pt"

    def images(self) -> list[Path]:
        return sorted((self.data / "cells" / "images").iterdir())

    def argv(self, method: str, out: Path, *options: str | int, flags: Sequence[str] = ()) -> list[str]:
        """Command line of a run with `method` into `out`; `flags` come before the KEY VALUE pairs."""
        words = f"--trainer {method} --backbone {self.clip} --root {self.data} --output-dir {out} --seed 3"
        words += f" --config-file {self.root / 'small.yaml'}"
        own = OPTIONS[method].split()
        keys = [f"TRAINER.{method.upper()}.{word}" if i % 2 == 0 else word for i, word in enumerate(own)]
        if method == "CILMP":
            keys += ["TRAINER.CILMP.ROWS_FILE", str(self.rows)]
        given = [
            "DATASET.NAME",
            "split",
            "DATASET.FOLDER",
            "cells",
            "DATASET.SPLIT",
            "cells.json",
            "DATASET.NUM_SHOTS",
            "4",
            "OPTIM.LR",
            "0.05",
        ]
        given += ["OPTIM.MAX_EPOCH", str(EPOCHS), "DATALOADER.TRAIN_X.BATCH_SIZE", "4", "DATALOADER.NUM_WORKERS", "0"]
        given += ["INPUT.TRANSFORMS", "('random_resized_crop', 'random_flip', 'normalize')", "USE_CUDA", "False"]
        return [*words.split(), *flags, *given, *keys, *map(str, options)]


def build(root: Path, suffix: str = ".png", seed: int = 0) -> World:
    """Write the files of a world below `root`."""
    world = World(root, suffix)
    root.mkdir(parents=True, exist_ok=True)
    (root / "small.yaml").write_text("")  # every key is in `World.argv`
    rng = np.random.default_rng(seed)
    content = {part: [] for part in COUNTS}
    for label, classname in enumerate(CLASSES):
        for part, count in COUNTS.items():
            for index in range(count):
                path = f"images/{part}-{label}-{index}{suffix}"
                content[part].append([path, label, classname])
                target = world.data / "cells" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(target)
    paths = [path for items in content.values() for path, *_ in items]
    parts = {part: [Item(*item) for item in items] for part, items in content.items()}
    write_split(world.split, Split(**parts, sums=sums_of(world.split.parent, paths)))
    rows = {name: torch.from_numpy(rng.standard_normal((3, 8)).astype(np.float32)) for name in CLASSES}
    save_rows(world.rows, rows, {"model": "drawn at random"})
    torch.save(random_state(SIZES, seed=5), world.clip)
    return world


@dataclass(frozen=True)
class Ending:
    """What a run ended with: the digest of its final weights, and of its logits with the metrics."""

    weights: str
    result: str


def ending(method: str, out: Path) -> Ending:
    """The ending of the finished run in `out`."""
    weights = hashlib.sha256()
    for name, value in sorted(load_file(out / FOLDERS[method] / f"model-{EPOCHS}.safetensors").items()):
        weights.update(name.encode() + value.numpy().tobytes())
    return Ending(weights.hexdigest(), result_of(out))


def result_of(out: Path) -> str:
    """Digest of the metrics and logits in `out`."""
    metrics = json.loads((out / "result.json").read_text())["metrics"]
    found = hashlib.sha256(json.dumps(metrics, sort_keys=True).encode())
    with np.load(out / "predictions.npz", allow_pickle=False) as data:
        found.update(data["logits"].tobytes() + data["labels"].tobytes())
    return found.hexdigest()
