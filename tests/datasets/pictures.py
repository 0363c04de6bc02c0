"""Tiny images and splits on disk for tests."""

import json
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("round cell", "long cell", "tiny cell", "odd cell")


def picture(path: Path, side: int = 16, **save) -> Path:
    """Write an image that its name alone determines: no two are alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(zlib.crc32(path.name.encode()))
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    coarse.resize((side, side), Image.Resampling.BICUBIC).save(path, **save)
    return path


def cells(
    root: Path, counts: tuple[int, int, int] = (6, 3, 3), classes: tuple[str, ...] = CLASSES, name: str = "cells"
) -> dict:
    """A data set folder `root/name` with images and a split; returns the split's content."""
    content = {"train": [], "val": [], "test": []}
    for label, classname in enumerate(classes):
        for part, n in zip(content, counts, strict=True):
            for index in range(n):
                path = f"images/{part}_{label}_{index}.png"
                picture(root / name / path)
                content[part].append([path, label, classname])
    save(root, content, name)
    return content


def save(root: Path, content: dict, name: str = "cells") -> Path:
    path = root / name / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path
