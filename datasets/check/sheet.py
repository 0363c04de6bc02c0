"""A contact sheet: a row a class, to look at."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from toolbox.errors import UserError
from toolbox.files import atomic_write

from ..images import read_image
from ..split import Split

COLUMNS = 10
TILE = 112
_TITLE = 20


def contact_sheet(split: Split, files: Mapping[str, str], path: Path) -> None:
    """Write a PNG with `COLUMNS` training images of every class, evenly chosen; images that cannot be read stay grey."""
    rows: dict[int, list[str]] = defaultdict(list)
    for item in split.train:
        rows[item.label].append(item.path)
    height = len(rows) * (TILE + _TITLE)
    sheet = Image.new("RGB", (COLUMNS * TILE, height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for label, name in enumerate(split.classnames):
        top = label * (TILE + _TITLE)
        draw.text((4, top + 2), f"{label}  {name}  ({len(rows[label])} in train)", "black", font)
        step = max(len(rows[label]) / COLUMNS, 1)
        for column in range(min(COLUMNS, len(rows[label]))):
            sheet.paste(_tile(files.get(rows[label][int(column * step)])), (column * TILE + 1, top + _TITLE))
    atomic_write(path, lambda part: sheet.save(part, "PNG"))


def _tile(file: str | None) -> Image.Image:
    try:
        return ImageOps.pad(read_image(file), (TILE - 2, TILE - 2), color="white") if file else _grey()
    except UserError:
        return _grey()


def _grey() -> Image.Image:
    return Image.new("RGB", (TILE - 2, TILE - 2), "grey")
