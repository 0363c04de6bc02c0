"""A small phantom, a backbone and language-model rows so small that every method runs its whole life in a second or two."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

import train
from datasets.phantom import PHANTOMS
from llm.store import save_rows

CLASSES = ("discocyte", "sickle_cell", "target cell", "basophil")
COUNTS = {"train": 4, "val": 2, "test": 3}  # images a class

OPTIONS = {
    "DATASET.NAME": "split",
    "DATASET.FOLDER": "cells",
    "DATALOADER.NUM_WORKERS": 0,
    "DATALOADER.TRAIN_X.BATCH_SIZE": 4,
    "DATALOADER.TEST.BATCH_SIZE": 5,
    "INPUT.TRANSFORMS": '("random_flip", "normalize")',
    "OPTIM.NAME": "sgd",
    "OPTIM.LR": 0.01,
    "OPTIM.MAX_EPOCH": 2,
    "OPTIM.LR_SCHEDULER": "cosine",
    "TRAINER.IVLP.PROMPT_DEPTH_TEXT": 2,
    "TRAINER.IVLP.PROMPT_DEPTH_VISION": 3,
    "TRAINER.PROMPTSRC.PROMPT_DEPTH_TEXT": 2,
    "TRAINER.PROMPTSRC.PROMPT_DEPTH_VISION": 2,
    "TRAINER.MAPLE.PROMPT_DEPTH": 2,
    "TRAINER.TCP.LAYER": 1,
    "TRAINER.VPT.PROMPT_DEPTH_VISION": 2,
    "TRAINER.TIPADAPTER.AUGMENT_EPOCH": 2,
    "TRAINER.TIPADAPTERF.AUGMENT_EPOCH": 2,
    "TRAINER.CLAP.VIEWS": 2,
    "TRAINER.CILMP.PROMPT_DEPTH_TEXT": 2,
    "TRAINER.CILMP.PROMPT_DEPTH_VISION": 2,
    "TRAINER.CILMP.PREFIX_LENGTH": 1,
    "TRAINER.CILMP.SUFFIX_LENGTH": 1,
    "TRAINER.CILMP.LOW_RANK": 2,
}


class SmallWorld:
    """What lies on disk, and `run`, which trains and tests there."""

    def __init__(self, root: Path, clip_state: dict[str, torch.Tensor]) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.clip = root / "tiny.safetensors"
        save_file(clip_state, self.clip)
        self.rows = root / "rows.safetensors"
        generator = torch.Generator().manual_seed(0)
        rows = {name: torch.randn(4, 24, generator=generator) for name in CLASSES}
        texts = {
            name.replace("_", " "): f"A cell of kind {i}, {'round' if i % 2 else 'oval'}."
            for i, name in enumerate(CLASSES)
        }
        save_rows(self.rows, rows, {"model": "random", "dataset": "phantom16", "answers": texts})
        draw_cells(root / "cells")
        (root / "small.yaml").write_text("")  # every key is in OPTIONS

    def run(self, method: str, output: str, *flags: str, backbone: Path | None = None, **options) -> Path:
        """One run of two epochs; `options` are configuration keys with `__` for the dots. Returns the output folder."""
        argv = ["--root", str(self.root), "--seed", "1", "--trainer", method, "--output-dir", str(self.root / output)]
        argv += ["--config-file", str(self.root / "small.yaml"), "--backbone", str(backbone or self.clip), *flags]
        chosen = OPTIONS | {"TRAINER.CILMP.ROWS_FILE": self.rows}
        chosen |= {key.replace("__", "."): value for key, value in options.items()}
        train.run([*argv, *(str(word) for pair in chosen.items() for word in pair)])
        return self.root / output


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def logits(folder: Path) -> np.ndarray:
    """(n, n_cls) as the run left them."""
    with np.load(folder / "predictions.npz") as file:
        return file["logits"]


def draw_cells(folder: Path, classes: Sequence[str] = CLASSES) -> None:
    """A few of the textbook's cells, 40 px, with a split JSON beside them."""
    phantom = PHANTOMS["phantom16"]
    split: dict[str, list] = {}
    folder.mkdir()
    for part, count in COUNTS.items():
        split[part] = []
        for label, name in enumerate(classes):
            for i in range(count):
                index = i + sum(COUNTS[before] for before in split if before != part)
                pixels = phantom.image(phantom.classnames.index(name.replace("_", " ")), index, side=40)
                file = f"{part}_{label}_{i}.png"
                Image.fromarray(pixels).save(folder / file)
                split[part].append([file, label, name])
    (folder / "split.json").write_text(json.dumps(split))
