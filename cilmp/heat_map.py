"""Heat maps as pictures: an image, and beside it the image under the map."""

from pathlib import Path

import numpy as np
from PIL import Image

from cilmp.picture import Picture
from toolbox.files import atomic_path

FINER = 8
"""How many pixels of the picture stand for a pixel of the model's input, a side."""


def picture(image: Image.Image, heat: np.ndarray, title: str, path: Path) -> None:
    """Write `figure` as PNG."""
    with atomic_path(path) as part:
        figure(image, heat, title).savefig(part, format="png", dpi=110)


def figure(image: Image.Image, heat: np.ndarray, title: str) -> Picture:
    """Image and image under `heat` (rows, columns; 0..1) side by side."""
    smooth = Image.fromarray(np.uint8(255 * heat)).resize(image.size, Image.BICUBIC)
    found = Picture(figsize=(8, 4.4), layout="constrained")
    left, right = found.subplots(1, 2)
    for axis in (left, right):
        axis.imshow(image)
        axis.axis("off")
    right.imshow(np.asarray(smooth) / 255, cmap="inferno", alpha=0.5, vmin=0, vmax=1)
    found.suptitle(title, fontsize=10, parse_math=False)
    return found


def visible_part(image: Image.Image, size: int) -> Image.Image:
    """What the model sees of `image`, the central square of its shorter side, (size * FINER) pixels a side.

    Cut first and scaled then: a long strip of an image would need a huge one in between the other way round.
    """
    side = min(image.size)
    left, top = ((whole - side) // 2 for whole in image.size)
    return image.crop((left, top, left + side, top + side)).resize((size * FINER, size * FINER), Image.BICUBIC)
