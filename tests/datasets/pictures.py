"""Tiny images and splits on disk for tests."""

import json
import struct
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


def png16(path: Path, values: np.ndarray) -> Path:
    """Write uint16 values (height, width) or (height, width, 2, 3 or 4: LA, RGB, RGBA) as a PNG of 16 bits a channel."""
    height, width, channels = values.shape if values.ndim == 3 else (*values.shape, 1)
    rows = np.frombuffer(values.astype(">u2").tobytes(), np.uint8).reshape(height, -1)
    step = 2 * channels
    filtered = rows.copy()
    filtered[:, step:] -= rows[:, :-step]  # the filter Sub
    data = b"".join(b"\1" + row.tobytes() for row in filtered)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    )
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
