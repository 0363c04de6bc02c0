"""Heat maps as pictures: an image, and beside it the image under the map."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from cilmp.picture import Picture
from datasets.images import central_square
from toolbox.errors import UserError, nearest
from toolbox.files import atomic_path

if TYPE_CHECKING:
    from trainers.life.saved import SavedRun

FINER = 8
"""How many pixels of the picture stand for a pixel of the model's input, a side."""


def label_of(run: "SavedRun", classname: str | None) -> int | None:
    """The class's place; None for no class. Raises UserError, with the nearest, for one that the run does not know."""
    if classname is None:
        return None
    if classname not in run.classnames:
        raise UserError(f"no class {classname!r} in this run; {nearest(classname, run.classnames)}")
    return run.classnames.index(classname)


def explained(run: "SavedRun", image: Image.Image, label: int | None = None) -> tuple[str, str, Picture]:
    """Class that is explained (the predicted one without `label`), the picture's title, and the picture."""
    import torch

    from vlm.prompts.explain import relevance

    device = run.trainer.device
    target = None if label is None else torch.tensor([label], device=device)
    logits, heat = relevance(run.model, run.transform(image)[None].to(device), target)
    probabilities = logits.float().softmax(-1)[0]
    place = int(probabilities.argmax()) if label is None else label
    name = run.classnames[place]
    title = f"{name}: {100 * probabilities[place]:.1f} %  ({run.result['method']}, research use only)"
    return name, title, figure(visible_part(image, run.model.clip.image_size), heat[0].cpu().numpy(), title)


def save(picture: Picture, path: Path) -> None:
    """Write it as PNG."""
    with atomic_path(path) as part:
        picture.savefig(part, format="png", dpi=110)


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
    """What the model sees of `image`, (size * FINER) pixels a side."""
    return central_square(image, size * FINER)
