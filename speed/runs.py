"""Whole runs for speed/gpu.py: CILMP at its published size on generated images, through train.py."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.torch import save_file

import train
from datasets.facts import find
from speed.launches import random_rows
from speed.shapes import VIT_B16
from trainers.base import PromptTrainer
from vlm.loading.random_clip import random_state

ROOT = Path(__file__).resolve().parent.parent
NAMES = list(find("kvasir").classnames)
SMALL = VIT_B16 | {"embed_dim": 64, "image_resolution": 32, "vision_width": 64, "transformer_width": 64}


@dataclass(frozen=True)
class Scale:
    """How large everything is; `epochs` of the published 100 are measured."""

    sizes: dict
    llm_width: int
    batches: tuple[int, ...]
    repeats: int
    recordings: int
    images: int
    batch: int
    epochs: int
    workers: int


PUBLISHED = Scale(VIT_B16, 4096, (4, 16, 64), 10, 99, 6400, 64, 3, min(16, os.cpu_count() or 1))
TOY = Scale(SMALL, 64, (2,), 1, 2, 16, 8, 2, 0)


class World:
    """A folder with random weights, rows and images, and runs over them."""

    def __init__(self, folder: str, device: str, scale: Scale) -> None:
        self.root, self.device, self.scale = Path(folder), device, scale
        self.rows = random_rows(NAMES, folder, scale.llm_width)
        self.clip = self.root / "clip.safetensors"
        save_file(random_state(scale.sizes, 0), self.clip)
        self._draw()

    def _draw(self) -> None:
        """JPEGs of soft coloured noise, which compress and decode about as photographs do."""
        images, side = self.root / "noise", self.scale.sizes["image_resolution"]
        images.mkdir()
        rng, split = np.random.default_rng(0), {"train": [], "val": [], "test": []}
        for index in range(self.scale.images + 2 * len(NAMES)):
            coarse = rng.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
            name, label = f"{index}.jpg", index % len(NAMES)
            Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(images / name, quality=90)
            left = index - self.scale.images
            part = "train" if left < 0 else "val" if left < len(NAMES) else "test"
            split[part].append([name, label, NAMES[label]])
        (images / "split.json").write_text(json.dumps(split))

    def arguments(self, output: str, epochs: int, method: str = "CILMP", config: Path | None = None) -> list[str]:
        """The words of train.py; a method of others has its own configuration."""
        s = self.scale
        options = {
            "DATASET.NAME": "split",
            "DATASET.FOLDER": "noise",
            "DATALOADER.NUM_WORKERS": s.workers,
            "DATALOADER.TRAIN_X.BATCH_SIZE": s.batch,
            "OPTIM.MAX_EPOCH": epochs,
            "INPUT.SIZE": (s.sizes["image_resolution"],) * 2,
            "USE_CUDA": self.device == "cuda",
        }
        if method == "CILMP" and config is None:
            options["TRAINER.CILMP.ROWS_FILE"] = self.rows
        config = config or ROOT / f"configs/trainers/{method}/vit_b16.yaml"
        argv = ["--root", self.root, "--trainer", method, "--backbone", self.clip, "--seed", 1]
        argv += ["--config-file", config, "--output-dir", self.root / output]
        return [str(word) for word in (*argv, *(x for pair in options.items() for x in pair))]

    def run(self, output: str, epochs: int) -> Path:
        """A run in this process; returns its folder."""
        with contextlib.redirect_stdout(io.StringIO()):
            train.run(self.arguments(output, epochs))
        return self.root / output

    def start(self, output: str, epochs: int) -> subprocess.Popen:
        """A run in a process of its own."""
        command = [sys.executable, ROOT / "train.py", *self.arguments(output, epochs)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def whole(device: str, scale: Scale) -> list[dict]:
    """Epochs of a run at the published size, and what 100 of them take; an epoch is timed after the first."""
    ends: list[float] = []
    after_epoch = PromptTrainer.after_epoch

    def timed(self) -> None:
        after_epoch(self)
        ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        world = World(folder, device, scale)
        PromptTrainer.after_epoch = timed
        try:
            found = json.loads((world.run("whole", max(2, scale.epochs)) / "result.json").read_text())
        finally:
            PromptTrainer.after_epoch = after_epoch
    epoch = (ends[-1] - ends[0]) / (len(ends) - 1)
    row = {"images": scale.images, "batch": scale.batch, "step ms": found["time"]["step_ms"], "epoch s": epoch}
    return [row | {"100 epochs, minutes": epoch * 100 / 60, "loader processes": scale.workers}]


def resumed(device: str, scale: Scale) -> list[dict]:
    """Whether a run that was stopped after its first epoch ends with the logits of one that was not, to the bit."""
    short = Scale(**{**vars(scale), "images": min(scale.images, 4 * scale.batch)})
    after_epoch = PromptTrainer.after_epoch

    def stop(self) -> None:
        after_epoch(self)
        raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as folder:
        world = World(folder, device, short)
        through = _logits(world.run("through", 2))
        PromptTrainer.after_epoch = stop
        try:
            with contextlib.suppress(KeyboardInterrupt):
                world.run("stopped", 2)
        finally:
            PromptTrainer.after_epoch = after_epoch
        again = _logits(world.run("stopped", 2))
    return [
        {"equal to the bit": bool((through == again).all()), "largest difference": float(np.abs(through - again).max())}
    ]


def _logits(folder: Path) -> np.ndarray:
    with np.load(folder / "predictions.npz") as file:
        return file["logits"]


def two_at_once(device: str, scale: Scale) -> list[dict]:
    """Median step of a run alone, and of two that share the machine."""
    short = Scale(**{**vars(scale), "images": min(scale.images, 16 * scale.batch), "workers": scale.workers // 2})
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder, device, short)
        found = []
        for names in (["alone"], ["one", "other"]):
            began = time.perf_counter()
            failed = [process.wait() for process in [world.start(name, 2) for name in names]]
            if any(failed):
                raise RuntimeError(f"runs {names} ended with {failed}")
            taken = time.perf_counter() - began
            times = [json.loads((world.root / name / "result.json").read_text())["time"]["step_ms"] for name in names]
            found.append({"runs": len(names), "step ms": sum(times) / len(times), "wall s": taken})
    return found
