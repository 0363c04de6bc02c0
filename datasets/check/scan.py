"""Opening every image once: does it decode, what is it, what is its fingerprint."""

import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from toolbox.errors import UserError

from ..images import read_image
from ..progress import bar

HASH_SIDE = 16


@dataclass
class Scan:
    """What one image is: SHA-256 of the file, difference hash (4 x uint64; None for flat images), pixels, colour or grey.

    `blank` says why nothing can be learnt from it, "" where something can; `two_tone` is an image of black and one colour.
    """

    content: str
    dhash: np.ndarray | None
    width: int
    height: int
    colour: bool
    blank: str = ""
    two_tone: bool = False


def scan_images(files: Mapping[str, str]) -> tuple[dict[str, Scan], dict[str, str]]:
    """Decode all images in parallel; returns scans by path, and the reasons for those that cannot be decoded."""
    scans: dict[str, Scan] = {}
    broken: dict[str, str] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(_scan, files.values())
        for path, result in bar(zip(files, results, strict=True), "Decoding images", len(files)):
            if isinstance(result, Scan):
                scans[path] = result
            else:
                broken[path] = result
    return scans, broken


def difference_hash(image: Image.Image) -> np.ndarray | None:
    """256 bits: whether each of 16 x 16 pixels of the small grey image is darker than its right neighbour, as 4 x uint64.

    None for an image without contrast, whose bits would be noise.
    """
    small = np.asarray(image.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX), np.int16)
    if small.std() < 2:
        return None
    return np.packbits(small[:, :-1] < small[:, 1:]).view(np.uint64)


def what_is_blank(image: Image.Image) -> str:
    """ "a single pixel", "flat" (all values within 2 of one another), "black" (99 % of the pixels at most 3), or ""."""
    if min(image.size) < 2:
        return "a single pixel or line"
    if all(high - low <= 2 for low, high in image.getextrema()):
        return "flat"
    dark = sum(image.convert("L").histogram()[:4])
    return "black" if dark >= 0.99 * image.width * image.height else ""


def _scan(file: str) -> Scan | str:
    content = Path(file).read_bytes()
    if not content:
        return f"image {file} is empty: no byte is in it; download it again, or take it out"
    try:
        image = read_image(file)
    except UserError as error:
        return str(error)
    pixels = np.asarray(image)
    colour = bool((pixels[..., 0] != pixels[..., 1]).any() or (pixels[..., 1] != pixels[..., 2]).any())
    tones = image.getcolors(2) or []
    two_tone = len(tones) == 2 and any(value == (0, 0, 0) for _, value in tones)
    sha = hashlib.sha256(content).hexdigest()
    return Scan(sha, difference_hash(image), *image.size, colour, what_is_blank(image), two_tone)
