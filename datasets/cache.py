"""DATALOADER.CACHE: images decoded and made smaller once, kept as uint8 in one memory-mapped file.

The shorter side becomes the input size, so that a test transform that starts with the same resize gives the same pixels.
Random crops in training are cut from the smaller image; DATALOADER.CACHE_SIZE keeps more of it.
"""

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from toolbox.errors import UserError
from toolbox.files import atomic_json, atomic_path, writable
from toolbox.plain import parse_json

from .images import DEFAULT, read_image
from .progress import bar
from .reading import Reading

FORMAT = 2
_CHUNK = 64  # decoded images held in memory while the file is written
_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


class ImageCache:
    """Decoded images of one part. `index` maps a path to (offset, height, width, checksum) in the file of uint8 RGB pixels."""

    def __init__(self, path: Path, index: dict[str, list[int]]):
        self.path = path
        self.index = index
        self._pixels: np.ndarray | None = None

    def read(self, path: str) -> Image.Image:
        """The image at `path` as RGB. Raises UserError, naming the cache file, if its bytes are not those written."""
        if self._pixels is None:
            self._pixels = np.memmap(self.path, np.uint8, mode="r")
        offset, height, width, checksum = self.index[path]
        pixels = self._pixels[offset : offset + height * width * 3]
        if zlib.crc32(pixels) != checksum:
            raise UserError(f"cache {self.path} is damaged; delete it and it is made again")
        return Image.fromarray(np.array(pixels).reshape(height, width, 3))

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_pixels": None}


def open_cache(cfg, sums: Mapping[str, str], below: str = "") -> ImageCache:
    """The cache of the images that are the keys of `sums` (see `build_cache`) at the configured size."""
    size = cfg.DATALOADER.CACHE_SIZE or min(cfg.INPUT.SIZE)
    return build_cache(_folder(cfg), list(sums), size, cfg.INPUT.INTERPOLATION, sums, Reading.of(cfg), below)


def build_cache(
    folder: str | Path,
    paths: Sequence[str],
    size: int,
    interpolation: str = "bicubic",
    sums: Mapping[str, str] | None = None,
    reading: Reading = DEFAULT,
    below: str = "",
) -> ImageCache:
    """Cache `paths` under `folder` with a shorter side of at most `size` pixels, or open the one that is there.

    The file's name is a hash of the paths, their sizes and times, `size`, `interpolation` and `reading` (how the files are
    read): other images, another file.
    `sums` may give the SHA-256 that an image must have when it is decoded, `below` the folder it must lie in.
    Raises UserError if an image cannot be read or the disk has no room.
    """
    paths = sorted(set(paths))
    stem = Path(folder) / files_key([FORMAT, size, interpolation, *reading.key()], paths)
    pixels_path, index_path = stem.with_suffix(".u8"), stem.with_suffix(".json")
    if not (pixels_path.is_file() and index_path.is_file()):

        def decode(path: str) -> np.ndarray:
            image = read_image(path, (sums or {}).get(path, ""), reading, below)
            return np.ascontiguousarray(shrink(image, size, interpolation))

        _write(pixels_path, index_path, paths, size, decode)
    try:
        index = parse_json(index_path.read_text(encoding="utf-8"))
        intact = pixels_path.stat().st_size == sum(h * w * 3 for _, h, w, _ in index.values()) and index.keys() == set(
            paths
        )
    except (OSError, ValueError, TypeError, AttributeError):
        intact = False
    if not intact:
        raise UserError(f"cache {pixels_path} or {index_path.name} is damaged; delete both and they are made again")
    return ImageCache(pixels_path, index)


def shrink(image: Image.Image, size: int, interpolation: str) -> Image.Image:
    """`image` with a shorter side of `size`, as torchvision's Resize makes it; smaller images are left as they are."""
    width, height = image.size
    short = min(width, height)
    if short <= size:
        return image
    new = (size, int(size * height / width)) if width == short else (int(size * width / height), size)
    return image.resize(new, _FILTERS[interpolation])


def _folder(cfg) -> Path:
    if cfg.DATALOADER.CACHE_DIR:
        return Path(cfg.DATALOADER.CACHE_DIR)
    beside = Path(cfg.DATASET.ROOT) / "image_cache"
    return beside if writable(beside) else Path(cfg.OUTPUT_DIR) / "image_cache"


def _write(
    pixels_path: Path, index_path: Path, paths: Sequence[str], size: int, decode: Callable[[str], np.ndarray]
) -> None:
    pixels_path.parent.mkdir(parents=True, exist_ok=True)
    needed, free = len(paths) * size * size * 3, shutil.disk_usage(pixels_path.parent).free
    if needed > free:
        raise UserError(
            f"the image cache needs about {needed >> 20} MB and {pixels_path.parent} has {free >> 20}; set DATALOADER.CACHE_DIR"
        )

    index: dict[str, list[int]] = {}
    offset = 0
    with atomic_path(pixels_path) as part, part.open("wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in bar(range(0, len(paths), _CHUNK), "Decoding images"):
            chunk = paths[start : start + _CHUNK]
            decoded = pool.map(decode, chunk)
            for path, pixels in zip(chunk, decoded, strict=True):
                file.write(pixels)
                index[path] = [offset, *pixels.shape[:2], zlib.crc32(pixels)]
                offset += pixels.size
    atomic_json(index_path, index)


def files_key(what: list, paths: Sequence[str]) -> str:
    """Name for what is kept of files as they are now: changes with `what` (JSON values), their paths, sizes and times.

    Raises:
        UserError: a file is missing.
    """
    digest = hashlib.sha256(json.dumps(what).encode())
    for path in paths:
        try:
            stat = Path(path).stat()
        except OSError:
            raise UserError(f"image {path} does not exist; mend the split or restore the file") from None
        digest.update(json.dumps([path, stat.st_size, stat.st_mtime_ns]).encode())
    return digest.hexdigest()[:32]
