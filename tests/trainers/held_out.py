"""Images like those of the small world that no run of it has seen."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from datasets.phantom import PHANTOMS
from tests.trainers.small_world import CLASSES


def held_out(folder: Path, each: int = 10, classes: Sequence[str] = CLASSES, first: int = 100) -> Path:
    """A folder with a folder of `each` images for every class."""
    phantom = PHANTOMS["phantom16"]
    for name in classes:
        (folder / name).mkdir(parents=True)
        for index in range(first, first + each):
            pixels = phantom.image(phantom.classnames.index(name.replace("_", " ")), index, side=40)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder
