"""One way to open any image: 8 to 32 bit, grey, palette, RGBA, CMYK, TIFF, JPEG 2000, Netpbm, DICOM -> RGB.

8-bit images become exactly what Pillow's `convert("RGB")` (and so stock Dassl) makes of them, turned as their EXIF
orientation says. Deeper ones, which that call would clip to white or leave black, go through `datasets.stretch`.
"""

import contextlib
import hashlib
import io
import os
import stat
import threading
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from toolbox.errors import UserError

from .contain import lies_below
from .deep import MODES, by_tifffile, deep_values, holds_8_bits, is_deep, needs_tifffile
from .dicom import is_dicom, read_dicom
from .netpbm import read_netpbm, read_size
from .reading import Reading
from .stretch import stretch

MAX_PIXELS = 100_000_000
MAX_BYTES = 1 << 30  # memory that decoding one image may take
LARGE = MAX_BYTES >> 3  # images that take more are decoded one at a time, however many threads decode
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".j2k", ".jpf", ".jpx", ".bmp", ".dib", ".gif"),
    *(".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pnm", ".pbm", ".dcm", ".dicom"),
)
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000")
Image.init()  # registers all formats, so that the list above can name them
_NETPBM = {
    b"P1": 16,
    b"P2": 32,
    b"P3": 64,
    b"P4": 8,
    b"P5": 8,
    b"P6": 20,
}  # bytes a pixel to decode; see `_bytes_per_pixel`
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TURNS = {  # EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_one_large = threading.Lock()
DEFAULT = Reading()


def read_image(path: str | Path, sha256: str = "", reading: Reading = DEFAULT, below: str = "") -> Image.Image:
    """The image at `path`, fully decoded, as RGB; of several frames or pages the first.

    `sha256` is what the file must have, if given: some formats, JPEG above all, decode damage to other pixels.
    `reading` is what the configuration says of EXIF, windows and truncated files. `below` is a folder, without links in its
    path, that the file must lie in: what was opened is asked, for since a split was checked a link may have come in its place.
    Raises UserError that names the file if it is missing, empty, no image, broken, not the one meant, or larger than
    100 megapixels or than 1 GB in memory.
    """
    path = Path(path)
    try:
        with open(path, "rb", opener=_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UserError(f"image {path} cannot be read (no file); restore it or take it out of the split")
            if below and not lies_below(file, path, below):
                raise UserError(f"image {path} leads out of {below}; mend the split, or set DATASET.ALLOW_OUTSIDE True")
            if sha256 and hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise UserError(f"image {path} is not the one its split was made with (SHA-256 differs); restore it")
            return _decode(file, path, reading)
    except FileNotFoundError:
        raise UserError(f"image {path} does not exist; mend the split or restore the file") from None
    except Image.DecompressionBombError:
        raise UserError(f"image {path} is far too large to decode safely; make it smaller") from None
    except UserError:
        raise
    except Exception as error:  # decoders of broken files raise many kinds
        raise UserError(
            f"image {path} cannot be read ({_reason(error)}); restore it or take it out of the split"
        ) from None


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for whoever writes to a pipe that lies in the place of an image."""
    return os.open(path, flags | os.O_NONBLOCK)


def file_sum(path: str | Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_size(path: Path, width: int, height: int, bytes_per_pixel: int) -> None:
    """Raise UserError if an image of this size has too many pixels, or takes too much memory to decode."""
    size = f"image {path} has {width} x {height} pixels"
    if width * height > MAX_PIXELS:
        raise UserError(f"{size}, more than {MAX_PIXELS:,}; make it smaller")
    if width * height * bytes_per_pixel > MAX_BYTES:
        needed = width * height * bytes_per_pixel / (1 << 30)
        raise UserError(f"{size}, which take {needed:.1f} GB to decode, more than {MAX_BYTES >> 30}; make it smaller")


def _decode(file: BinaryIO, path: Path, reading: Reading) -> Image.Image:
    file.seek(0)
    head = file.read(132)
    file.seek(0)
    if not head:
        raise UserError(f"image {path} is empty (0 bytes); restore it or take it out of the split")
    if is_dicom(head, path):
        return _rgb(read_dicom(file, path, reading.window, lambda *size: check_size(path, *size)))
    if head[:2] in _NETPBM:
        check_size(path, *read_size(file), _NETPBM[head[:2]])
        return _rgb(read_netpbm(file))
    try:
        return _pillow(file, path, reading)
    except UnidentifiedImageError:
        if not head.startswith(_TIFF):
            raise
        return _rgb(by_tifffile(file, path, lambda *size: check_size(path, *size)))
    except OSError as error:
        if not (head.startswith(b"\xff\xd8") and "truncated" in str(error)):
            raise
        if not reading.allow_truncated:
            raise UserError(
                f"image {path} is a JPEG that lacks its last bytes; restore it, take it out of the split, or train with "
                "INPUT.ALLOW_TRUNCATED True, which leaves what is missing grey"
            ) from None
        file.seek(0)
        return _pillow(io.BytesIO(file.read() + b"\xff\xd9"), path, reading)  # the marker of a JPEG's end


def _pillow(file: BinaryIO, path: Path, reading: Reading) -> Image.Image:
    with contextlib.ExitStack() as lock:
        pixels, turn = _load(file, path, reading, lock)
        image = pixels if turn is None else pixels.transpose(turn)
        del pixels
        return image if type(image) is Image.Image and image.mode == "RGB" else image.convert("RGB")


def _load(
    file: BinaryIO, path: Path, reading: Reading, lock: contextlib.ExitStack
) -> tuple[Image.Image, Image.Transpose | None]:
    """The decoded image, in 8 bits, and how it is to be turned; a large one holds `_one_large` by `lock`."""
    with Image.open(file, formats=FORMATS) as image:
        needed = _bytes_per_pixel(image)
        check_size(path, *image.size, needed)
        if image.width * image.height * needed > LARGE:
            lock.enter_context(_one_large)
        if needs_tifffile(image):
            return _rgb(by_tifffile(file, path, lambda *size: check_size(path, *size))), None
        values = _8_bits(deep_values(image, file)) if is_deep(image) else None
        image.load()
        turn = _turn(image) if reading.exif else None
    if values is None:
        return image, turn
    del image  # its memory is needed
    return Image.fromarray(values), turn


def _bytes_per_pixel(image: Image.Image) -> int:
    """What decoding takes at most, as measured: the format's own buffers, Pillow's image, and the RGB made of it."""
    bands = len(image.getbands())
    if image.format == "JPEG2000":
        return 8 + 4 * bands
    if is_deep(image):
        return 8 + 4 * bands if image.mode not in MODES else 14 if image.mode in ("I", "F") else 10
    return {"WEBP": 17, "JPEG": 11 if image.info.get("progressive") else 8}.get(image.format, 8)


def _8_bits(values: np.ndarray) -> np.ndarray:
    """Grey or colour values as uint8; those of 8 bits as they are."""
    if values.dtype == np.uint8:
        return values
    return values.astype(np.uint8) if holds_8_bits(values) else stretch(values)


def _rgb(values: np.ndarray) -> Image.Image:
    """Grey (height, width) or colour (height, width, 3) values as RGB."""
    image = Image.fromarray(_8_bits(values))
    return image if image.mode == "RGB" else image.convert("RGB")


def _turn(image: Image.Image) -> Image.Transpose | None:
    """How an image is turned to stand upright, by its EXIF data; broken EXIF data say nothing."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION))
    except Exception:  # the pixels are whole: what stands beside them must not lose them
        return None


def _reason(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "it takes more memory than there is"
    text = str(error).split("\n")[0]
    return "no known image format" if text.startswith("cannot identify") else text or type(error).__name__


def central_square(image: Image.Image, side: int) -> Image.Image:
    """What a model sees of an image, the central square of its shorter side, `side` pixels wide.

    Cut first and scaled then: a long strip of an image would need a huge one in between the other way round.
    """
    shorter = min(image.size)
    left, top = ((whole - shorter) // 2 for whole in image.size)
    return image.crop((left, top, left + shorter, top + shorter)).resize((side, side), Image.Resampling.BICUBIC)
