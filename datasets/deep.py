"""Values of more than 8 bits from files that Pillow opens, in full: of 16-bit colour it hands out the upper 8 bits alone.

Pillow has no colour of 16 bits, but it unpacks such files in either byte order. Asked for the wrong one it gives the lower
byte of each value, so that two passes give all 16 bits. What it cannot read so is left to tifffile, where that is installed.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from toolbox.errors import UserError

MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_RAW = re.compile(r"(RGB|RGBA|RGBX);16([BLN])")
_OTHER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_NATIVE = {
    "I;16S": "I;16NS",
    "I;32S": "I;32NS",
    "F;32F": "F;32NF",
}  # what libtiff hands over; Pillow takes the file's order
_PHOTOMETRIC, _PLANAR, _SAMPLE_FORMAT, _BITS = 262, 284, 339, 258
_ROWS = 256


def is_deep(image: Image.Image) -> bool:
    """Whether an opened image, not yet loaded, has more than 8 bits a channel."""
    raw = _raw_mode(image)
    return image.mode in MODES or bool(_RAW.fullmatch(raw)) or raw == "LA;16B" or _deep_jpeg2000(image)


def needs_tifffile(image: Image.Image) -> bool:
    """Whether Pillow would misread an opened TIFF: 16-bit colour in separate planes or with premultiplied alpha."""
    if image.format != "TIFF" or image.mode in MODES or max(image.tag_v2.get(_BITS, (8,))) <= 8:
        return False
    return image.tag_v2.get(_PLANAR, 1) == 2 or not _RAW.fullmatch(_raw_mode(image))


def deep_values(image: Image.Image, file: BinaryIO) -> np.ndarray:
    """Numbers (height, width) or (height, width, 3) of an opened image for which `is_deep`; loads it.

    `file` is what it was opened from. Values of alpha are left out, and those of a TIFF in which the smallest is white are
    turned round.
    """
    raw = _raw_mode(image)
    if found := _RAW.fullmatch(raw):
        image.load()
        values = _blocks(image.convert("RGB") if image.mode != "RGB" else image, np.uint16, shift=8)
        file.seek(0)
        with Image.open(file, formats=[image.format]) as again:
            again.tile = [
                tile._replace(args=_swapped(tile.args, f"{found[1]};16{_OTHER[found[2]]}")) for tile in again.tile
            ]
            again.load()
            return _blocks(again.convert("RGB") if again.mode != "RGB" else again, np.uint16, onto=values)
    if raw == "LA;16B":  # 32 bits a pixel, as RGBA has
        image.tile = [tile._replace(args=_swapped(tile.args, "RGBA")) for tile in image.tile]
        image.load()
        both = np.asarray(image)
        return (both[..., 0].astype(np.uint16) << 8) | both[..., 1]
    if raw.replace("B", "") in _NATIVE and image.tile[0].codec_name == "libtiff":
        image.tile = [tile._replace(args=_swapped(tile.args, _NATIVE[raw.replace("B", "")])) for tile in image.tile]
    image.load()
    if image.mode not in MODES:
        return np.asarray(image.convert("RGB"))
    values = _blocks(image, np.asarray(image.crop((0, 0, 1, 1))).dtype.newbyteorder("="))
    if image.format != "TIFF":
        return values
    if (
        values.dtype == np.int32
        and image.tag_v2.get(_BITS, (0,))[0] == 32
        and image.tag_v2.get(_SAMPLE_FORMAT, (1,))[0] == 1
    ):
        values = values.view(np.uint32)
    return turned(values) if image.tag_v2.get(_PHOTOMETRIC) == 0 else values


def turned(values: np.ndarray) -> np.ndarray:
    """Values in which the smallest is white, so that it is black; those of 8 bits (0..255) stay so."""
    if values.dtype.kind == "f":
        return -values
    return 255 - values if holds_8_bits(values) else ~values


def holds_8_bits(values: np.ndarray) -> bool:
    """Whether all values are whole numbers from 0 to 255."""
    return values.dtype.kind in "iu" and values.min(initial=0) >= 0 and values.max(initial=0) <= 255


def by_tifffile(file: BinaryIO, path: Path, check_size: Callable[[int, int, int], None]) -> np.ndarray:
    """The first page of a TIFF that Pillow does not read, as deep values (height, width) or (height, width, 3).

    `check_size(width, height, bytes_per_pixel)` is called before it is decoded.

    Raises:
        UserError: tifffile is not installed.
        ValueError: the page is no plain image.
    """
    try:
        import tifffile
    except ImportError:
        raise UserError(
            f"image {path} is a TIFF of a rare kind: `pip install tifffile imagecodecs` to read it"
        ) from None
    file.seek(0)
    with tifffile.TiffFile(file) as opened:
        page = opened.pages[0]
        if not re.fullmatch("Y?X?S?|SYX", page.axes) or "YX" not in page.axes:
            raise ValueError(f"a page with axes {page.axes}")
        check_size(page.imagewidth, page.imagelength, 4 * page.samplesperpixel * page.dtype.itemsize)
        values = page.asarray()
        if page.axes == "SYX":
            values = np.moveaxis(values, 0, -1)
        if page.photometric == 0:
            values = turned(values)
    if values.ndim == 2:
        return values
    return np.ascontiguousarray(values[..., :3] if values.shape[2] >= 3 else values[..., 0])


def _raw_mode(image: Image.Image) -> str:
    args = image.tile[0].args if getattr(image, "tile", None) else ""
    return str(args[0] if isinstance(args, tuple) and args else args)


def _swapped(args, raw: str):
    return (raw, *args[1:]) if isinstance(args, tuple) else raw


def _deep_jpeg2000(image: Image.Image) -> bool:
    """Whether a JPEG 2000 image says more than 8 bits a channel: of colour, Pillow hands out the upper 8."""
    if image.format != "JPEG2000":
        return False
    image.fp.seek(0)
    start = image.fp.read(4096)
    place = start.find(b"\xff\x4f\xff\x51")  # start of the codestream; its 43rd byte is the depth of the first channel
    return place >= 0 and len(start) > place + 42 and (start[place + 42] & 0x7F) + 1 > 8


def _blocks(image: Image.Image, kind, shift: int = 0, onto: np.ndarray | None = None) -> np.ndarray:
    """The image's values as `kind`, shifted up, or put `onto` values; by rows, as Pillow hands all of them out in copies."""
    shape = (image.height, image.width, *([3] if image.mode == "RGB" else []))
    values = np.zeros(shape, kind) if onto is None else onto
    for top in range(0, image.height, _ROWS):
        rows = slice(top, min(top + _ROWS, image.height))
        block = np.asarray(image.crop((0, rows.start, image.width, rows.stop))).astype(kind)
        values[rows] = values[rows] | (block << shift) if onto is not None or shift else block
    return values
