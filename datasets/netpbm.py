"""PGM, PPM and PBM (P1 to P6), as mammograms and microscope software write them: binary or plain, 8 or 16 bit.

Pillow reads them too, but steps over comments byte by byte (a plain file of comments keeps it for hours) and cuts 16-bit
colour to 8 bits.
"""

import math
import re
from typing import BinaryIO

import numpy as np

HEADER = 1 << 16  # bytes within which the header ends
_GAP = rb"(?:\s|#[^\r\n]*[\r\n])++"
_BITMAP = re.compile(rb"P[14]" + 2 * (_GAP + rb"(\d{1,10})") + rb"\s")
_OTHERS = re.compile(rb"P[2356]" + 3 * (_GAP + rb"(\d{1,10})") + rb"\s")


def read_size(file: BinaryIO) -> tuple[int, int]:
    """Width and height of the image in `file`. Raises ValueError if it is no Netpbm file."""
    return _header(file)[:2]


def read_netpbm(file: BinaryIO) -> np.ndarray:
    """The first image: (height, width) or (height, width, 3), uint8 scaled to 0..255, or uint16 as in the file.

    Raises ValueError if the file is broken or ends too soon.
    """
    width, height, most, start, kind = _header(file)
    shape = (height, width, 3) if kind in "36" else (height, width)
    file.seek(start)
    if kind == "4":
        packed = (height, (width + 7) // 8)
        rows = _binary(file, packed, "u1").reshape(packed)
        return np.where(np.unpackbits(rows, axis=1, count=width), np.uint8(0), np.uint8(255))
    if kind == "1":
        digits = np.frombuffer(_plain(file, math.prod(shape)), np.uint8)
        values = _whole(digits[(digits == ord("0")) | (digits == ord("1"))][: width * height], shape)
        return np.where(values.reshape(shape) == ord("1"), np.uint8(0), np.uint8(255))
    if kind in "23":
        text = _plain(file, math.prod(shape)).decode("ascii")
        # never with a count: where numbers are missing, NumPy then fills up with whatever stands in memory
        values = np.fromstring(text, np.int64, sep=" ")[: math.prod(shape)] if text.strip() else np.zeros(0)
        values = _whole(values, shape)
    else:
        values = _binary(file, shape, "u1" if most < 256 else ">u2")
    if most > 255:
        return np.clip(values, 0, most).astype(np.uint16).reshape(shape)
    table = np.rint(np.minimum(np.arange(256), most) * (255 / most)).astype(np.uint8)
    return table[np.clip(values, 0, 255)].reshape(shape)


def _header(file: BinaryIO) -> tuple[int, int, int, int, str]:
    file.seek(0)
    head = file.read(HEADER)
    found = (_BITMAP if head[1:2] in b"14" else _OTHERS).match(head)
    if not found:
        raise ValueError(f"no header of a {head[:2].decode()} file in its first {HEADER >> 10} KB")
    width, height, *most = map(int, found.groups())
    most = most[0] if most else 1
    if not (width and height and 0 < most < 65536):
        raise ValueError(f"a header of {width} x {height} pixels up to {most}")
    return width, height, most, found.end(), head[1:2].decode()


def _plain(file: BinaryIO, count: int) -> bytes:
    """Text of `count` numbers without comments; of more than 16 bytes a number the rest is not read."""
    return re.sub(rb"#[^\r\n]*", b" ", file.read(HEADER + 16 * count))


def _binary(file: BinaryIO, shape: tuple[int, ...], kind: str) -> np.ndarray:
    size = np.dtype(kind).itemsize
    data = file.read(math.prod(shape) * size)
    return _whole(np.frombuffer(data, kind, len(data) // size), shape)


def _whole(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if values.size != math.prod(shape):
        raise ValueError(f"cut short: {values.size} of {math.prod(shape)} values")
    return values
