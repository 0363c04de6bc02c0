"""Drawing a phantom to disk, once: `<root>/<name>/images/<class>/*.png` and the split `<root>/<name>/<name>.json`."""

import errno
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.phantom.cells import draw_cell
from datasets.phantom.draw import picture
from datasets.phantom.textbook import KINDS, PLAIN
from datasets.phantom.world import World
from datasets.sums import sums_of
from toolbox.errors import UserError
from toolbox.files import atomic_json
from toolbox.plain import parse_json
from toolbox.seals import seal

SIDE = 64
Ranges = dict[str, dict[str, tuple]]


@dataclass(frozen=True)
class Phantom:
    """A data set of drawn cells.

    Attributes:
        name: of the data set, its folder and its split file.
        classnames: in label order.
        kinds: gives what is drawn of each class, for `draw_cell`.
        plain: gives each class in the words that the small CLIP has learned.
        seed: of the images.
        parts: images a class in each part.
    """

    name: str
    classnames: tuple[str, ...]
    kinds: Callable[[], Ranges]
    plain: Callable[[], dict[str, str]]
    seed: int
    parts: Mapping[str, int]

    @cached_property
    def ranges(self) -> Ranges:
        return self.kinds()

    def image(self, label: int, index: int, side: int = SIDE) -> np.ndarray:
        """Image number `index` of class `label`, a function of its arguments and the seed: (side, side, 3) uint8."""
        rng = np.random.default_rng([self.seed, label, index])
        return picture(draw_cell(self.ranges[self.classnames[label]], rng), rng, side)


def invented(world: World) -> Phantom:
    """The data set `phantom` of a world."""
    parts = {"train": 8, "val": 4, "test": 16}
    return Phantom("phantom", tuple(world.kinds), world.ranges, world.plain, world.seed, parts)


_PARTS_16 = {"train": 64, "val": 16, "test": 48}
TEXTBOOK = Phantom("phantom16", tuple(KINDS), lambda: KINDS, lambda: PLAIN, 2025, _PARTS_16)
PHANTOMS = {phantom.name: phantom for phantom in (invented(World.read()), TEXTBOOK)}


def ensure_phantom(root: str | Path, name: str = "phantom", parts: Mapping[str, int] | None = None) -> Path:
    """A phantom's folder under `root`, drawn first where it is missing; `parts` is the number of images a class in each part.

    The folder appears whole or not at all: it is drawn under a temporary name and renamed, so several processes may
    start at once and a broken run leaves nothing that looks finished.

    Raises:
        UserError: `<root>/<name>` holds something else, or `root` cannot be written.
    """
    phantom, folder = PHANTOMS[name], Path(root) / name
    split = folder / f"{name}.json"
    if split.is_file():
        _check_seed(split, phantom)
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there but has no {name}.json: move it away and the phantom is drawn anew")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".part", dir=folder.parent))
    except OSError as e:
        raise UserError(f"cannot draw the phantom in {root}: {e.strerror}") from e
    try:
        _draw_all(part, phantom, parts or phantom.parts)
        part.chmod(0o755)
        _move(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _check_seed(split: Path, phantom: Phantom) -> None:
    """Refuse a phantom of other kinds, such as an older version's. A file that is damaged is for the reader to refuse."""
    try:
        meta = parse_json(split.read_text(encoding="utf-8")).get("meta") or {}
    except (OSError, ValueError, AttributeError):
        return
    if meta.get("seed") != phantom.seed:
        raise UserError(
            f"{split.parent} holds another phantom, of an older version or other kinds of cell: move it away and "
            f"{phantom.name} is drawn anew"
        )


def _draw_all(folder: Path, phantom: Phantom, parts: Mapping[str, int]) -> None:
    split: dict[str, list] = {part: [] for part in parts}
    for label, name in enumerate(phantom.classnames):
        slug, index = name.replace(" ", "_"), 0
        (folder / "images" / slug).mkdir(parents=True)
        for part, count in parts.items():
            for _ in range(count):
                path = f"{slug}/{index:04d}.png"
                Image.fromarray(phantom.image(label, index)).save(folder / "images" / path, compress_level=1)
                split[part].append([path, label, name])
                index += 1
    paths = [path for items in split.values() for path, *_ in items]
    content = {**split, "meta": {"seed": phantom.seed}, "sums": sums_of(folder / "images", paths)}
    atomic_json(folder / f"{phantom.name}.json", seal(content))


def _move(part: Path, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError as e:
        if e.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not (folder / f"{folder.name}.json").is_file():
            raise  # else another process was first, with the same images
