"""Drawing the phantom to disk, once: `<root>/phantom/images/<class>/*.png` and the split `<root>/phantom/phantom.json`."""

import errno
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.phantom.cells import CLASSNAMES, KINDS, draw_cell
from datasets.phantom.draw import picture
from datasets.sums import sums_of
from toolbox.errors import UserError
from toolbox.files import atomic_json
from toolbox.seals import seal

PARTS = {"train": 64, "val": 16, "test": 48}
SIDE = 64
SEED = 2025


def draw_class(label: int, index: int, seed: int = SEED, side: int = SIDE) -> np.ndarray:
    """Image number `index` of class `label`, a function of its arguments alone: (side, side, 3) uint8."""
    rng = np.random.default_rng([seed, label, index])
    return picture(draw_cell(KINDS[CLASSNAMES[label]], rng), rng, side)


def ensure_phantom(root: str | Path, parts: dict[str, int] | None = None) -> Path:
    """The phantom's folder under `root`, drawn first where it is missing; `parts` is the number of images a class in each part.

    The folder appears whole or not at all: it is drawn under a temporary name and renamed, so several processes may
    start at once and a broken run leaves nothing that looks finished.

    Raises:
        UserError: `<root>/phantom` holds something else, or `root` cannot be written.
    """
    folder = Path(root) / "phantom"
    if (folder / "phantom.json").is_file():
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there but has no phantom.json: move it away and the phantom is drawn anew")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".phantom.", suffix=".part", dir=folder.parent))
    except OSError as e:
        raise UserError(f"cannot draw the phantom in {root}: {e.strerror}") from e
    try:
        _draw_all(part, PARTS if parts is None else parts)
        part.chmod(0o755)
        _move(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _draw_all(folder: Path, parts: dict[str, int]) -> None:
    split: dict[str, list] = {part: [] for part in parts}
    for label, name in enumerate(CLASSNAMES):
        slug, index = name.replace(" ", "_"), 0
        (folder / "images" / slug).mkdir(parents=True)
        for part, count in parts.items():
            for _ in range(count):
                path = f"{slug}/{index:04d}.png"
                Image.fromarray(draw_class(label, index)).save(folder / "images" / path, compress_level=1)
                split[part].append([path, label, name])
                index += 1
    paths = [path for items in split.values() for path, *_ in items]
    atomic_json(folder / "phantom.json", seal({**split, "sums": sums_of(folder / "images", paths)}))


def _move(part: Path, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError as e:
        if e.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not (folder / "phantom.json").is_file():
            raise  # else another process was first, with the same images
