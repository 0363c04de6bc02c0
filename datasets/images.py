"""One way to open any image: 8 and 16 bit, grey, palette, RGBA, CMYK, TIFF, DICOM -> RGB.

8-bit images become exactly what Pillow's `convert("RGB")` (and so stock Dassl) makes of them. Deeper ones, which that call
would clip to white, are scaled from their own minimum and maximum to 0..255.
"""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from toolbox.errors import UserError

from .dicom import is_dicom, read_dicom

MAX_PIXELS = 100_000_000
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".dcm", ".dicom")
_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000")
Image.init()  # registers all formats, so that the list above can name them
_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def read_image(path: str | Path, sha256: str = "") -> Image.Image:
    """The image at `path`, fully decoded, as RGB; of several frames or pages the first.

    `sha256` is what the file must have, if given: some formats, JPEG above all, decode damage to other pixels.
    Raises UserError that names the file if it is missing, no image, broken, not the one meant, or larger than 100 megapixels.
    """
    path = Path(path)
    try:
        if sha256 and file_sum(path) != sha256:
            raise UserError(f"image {path} is not the one its split was made with (SHA-256 differs); restore it")
        if is_dicom(path):
            return Image.fromarray(read_dicom(path, MAX_PIXELS))
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UserError(
                    f"image {path} has {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}; make it smaller"
                )
            image.load()
            return _to_rgb(image)
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


def file_sum(path: str | Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stretch(pixels: np.ndarray) -> np.ndarray:
    """Grey values of any type and range as uint8: the smallest becomes 0, the largest 255; constant images become 0."""
    values = np.nan_to_num(pixels.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    if not high > low:
        return np.zeros(pixels.shape, np.uint8)
    return np.rint((values - low) * (255.0 / (high - low))).astype(np.uint8)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _DEEP_MODES:
        pixels = np.asarray(image)
        if image.mode == "F" or pixels.max(initial=0) > 255 or pixels.min(initial=0) < 0:
            image = Image.fromarray(stretch(pixels))
        else:
            image = Image.fromarray(pixels.astype(np.uint8))
    return image.convert("RGB")


def _reason(error: BaseException) -> str:
    text = str(error).split("\n")[0]
    return "no known image format" if text.startswith("cannot identify") else text or type(error).__name__
