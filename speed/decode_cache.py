"""Reading images from their files beside reading them from DATALOADER.CACHE, in one process, taking turns.

    python speed/decode_cache.py [--folder IMAGES] [--count 200] [--width 1280 --height 1024] [--size 224]

Without --folder, JPEGs of the given size are made (endoscopes and fundus cameras give about a megapixel or more). "read" is
the image alone, "item" the image and CLIP's test transform; both ways must give the same tensors.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import toolbox  # noqa: F401  mends torchvision, and so comes before it

# isort: split

import numpy as np
import torch
from PIL import Image
from tabulate import tabulate
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize, ToTensor

from datasets.cache import build_cache
from datasets.images import SUFFIXES, read_image
from toolbox.command import run_command
from toolbox.errors import UserError
from toolbox.parser import Parser

ROUNDS = 3


def make_images(folder: Path, count: int, width: int, height: int) -> list[str]:
    """JPEG files of soft coloured noise, which compresses about as photographs do."""
    rng = np.random.default_rng(0)
    paths = []
    for index in range(count):
        coarse = rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        image = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.int16)
        noisy = np.clip(image + rng.integers(-6, 7, image.shape), 0, 255).astype(np.uint8)
        paths.append(str(folder / f"{index:05d}.jpg"))
        Image.fromarray(noisy).save(paths[-1], quality=90)
    return paths


def seconds(read: Callable[[str], object], paths: list[str]) -> float:
    """Time to read every image once."""
    start = time.perf_counter()
    for path in paths:
        read(path)
    return time.perf_counter() - start


def main() -> None:
    p = Parser(description=__doc__, raw=True)
    p.add_argument("--folder", default="", help="images to read; default: made ones")
    p.add_argument("--count", type=int, default=200, help="images")
    p.add_argument("--width", type=int, default=1280, help="of an image, pixels")
    p.add_argument("--height", type=int, default=1024, help="of an image, pixels")
    p.add_argument("--size", type=int, default=224, help="pixels of the shorter side in the cache")
    args = p.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        files = sorted(Path(args.folder).rglob("*")) if args.folder else []
        found = [str(path) for path in files if path.suffix.lower() in SUFFIXES]
        if args.folder and not found:
            raise UserError(f"no images below {args.folder}")
        paths = found[: args.count] or make_images(Path(scratch), args.count, args.width, args.height)
        compare(paths, Path(scratch) / "cache", args.size)


def compare(paths: list[str], folder: Path, size: int) -> None:
    """Print the times of both ways and their ratio."""
    bicubic = InterpolationMode.BICUBIC
    transform = Compose([Resize(size, bicubic), CenterCrop(size), ToTensor()])
    start = time.perf_counter()
    cache = build_cache(folder, paths, size)
    built = time.perf_counter() - start
    different = sum(not torch.equal(transform(cache.read(path)), transform(read_image(path))) for path in paths)
    ways = {
        "read": (read_image, cache.read),
        "item": (lambda path: transform(read_image(path)), lambda path: transform(cache.read(path))),
    }
    rows = []
    for name, pair in ways.items():
        times = [[seconds(read, paths) for read in pair] for _ in range(ROUNDS)]
        files, cached = (1000 * statistics.median(column) / len(paths) for column in zip(*times, strict=True))
        rows.append([name, files, cached, files / cached])
    print(tabulate(rows, ["", "files (ms an image)", "cache (ms an image)", "ratio"], floatfmt=".2f"))
    megabytes = cache.path.stat().st_size / 2**20
    print(
        f"{len(paths)} images, {megabytes:.0f} MB of cache, made once in {built:.1f} s; different tensors: {different}"
    )


if __name__ == "__main__":
    run_command(main)
