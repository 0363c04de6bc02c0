"""DICOM images, by the optional package pydicom: stored values through the tables, slopes and windows in the file."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from toolbox.errors import UserError

from .dicom_tags import READ, frame_tags, numbers, padding, table_of, through_table
from .stretch import map_levels, shares, stretch, to_uint8, value_range
from .window import fits, parse_window, through_window

if TYPE_CHECKING:
    from pydicom import Dataset

MAX_INFLATED = 64 << 20  # bytes of a deflated file
MAX_GROWTH = 100  # how many times larger than the file they may be, beyond 16 MB
MAX_ELEMENTS = 50_000  # before the pixels
_DEFLATED = "1.2.840.10008.1.2.1.99"
_PACKAGES = {  # how the transfer syntaxes' UIDs begin: the package that decodes them
    "1.2.840.10008.1.2.4.5": "pylibjpeg-libjpeg",  # JPEG
    "1.2.840.10008.1.2.4.7": "pylibjpeg-libjpeg",  # JPEG lossless
    "1.2.840.10008.1.2.4.8": "pylibjpeg-libjpeg",  # JPEG-LS
    "1.2.840.10008.1.2.4.9": "pylibjpeg-openjpeg",  # JPEG 2000
    "1.2.840.10008.1.2.4.20": "pylibjpeg-openjpeg",  # high-throughput JPEG 2000
}


def is_dicom(head: bytes, path: Path) -> bool:
    """Whether a file says it is DICOM in its first 132 bytes ("DICM" at their end) or is named so."""
    return head[128:132] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom")


def read_dicom(file: BinaryIO, path: Path, window: str, check_size: Callable[[int, int, int], None]) -> np.ndarray:
    """The first frame as uint8, (height, width) or (height, width, 3).

    Grey values go through the modality table or slope and then, in this order of preference, through `window` (see
    `window.parse_window`), the file's VOI table, its first window, or `stretch`'s range without padding; 8-bit values that
    have none of them stay as they are. MONOCHROME1 and PresentationLUTShape INVERSE are inverted. Palettes give colours.
    `check_size(width, height, bytes_per_pixel)` is called before pixels are decoded.

    Raises:
        UserError: pydicom, or the package for the file's compression, is not installed; or the file is broken, too large,
            or without pixels.
    """
    try:
        import pydicom  # noqa: F401
        from pydicom.pixels import apply_color_lut
    except ImportError:
        raise UserError(f"{path} is DICOM: `pip install pydicom` to read it") from None
    try:
        _check_inflated(file, path)
        data = _header(file)
        if not (data.get("Rows") and data.get("Columns")):
            if data.preamble is None:
                raise ValueError("no DICOM header")
            kind = data.get("Modality") or "no image"
            raise UserError(f"image {path} is DICOM without pixels ({kind}); take it out of the split")
        samples, bits = data.get("SamplesPerPixel", 1), data.get("BitsAllocated", 16)
        check_size(data.Columns, data.Rows, samples * (4 + bits // 4 if bits <= 16 else 48))
        frame = _first_frame(file, path, data)
        if samples > 1:
            return frame.astype(np.uint8) if data.BitsStored <= 8 else stretch(frame)
        if data.PhotometricInterpretation == "PALETTE COLOR":
            return map_levels(frame, lambda levels, _: _upper_8(apply_color_lut(levels, data)[:, :3]))
        return map_levels(frame, lambda levels, counts: grey(levels, counts, data, window))
    except UserError:
        raise
    except Exception as error:  # pydicom raises many kinds for broken files
        raise UserError(
            f"image {path} cannot be read as DICOM ({_reason(error)}); restore it or take it out of the split"
        ) from None


def grey(levels: np.ndarray, counts: np.ndarray, data: "Dataset", window: str) -> np.ndarray:
    """Stored values `levels` (n,), which stand `counts` times in the image, as uint8 (n,); see `read_dicom`."""
    tags = frame_tags(data)
    slope, intercept = (numbers(tags, key)[:1] for key in ("RescaleSlope", "RescaleIntercept"))
    if "ModalityLUTSequence" in tags:
        values = through_table(levels, *table_of(tags.ModalityLUTSequence[0], data))
    elif slope and intercept and slope[0]:
        values = levels * slope[0] + intercept[0]
    else:
        values = levels
    function = str(tags.get("VOILUTFunction", "LINEAR")).upper()
    windows = zip(numbers(tags, "WindowCenter"), numbers(tags, "WindowWidth"), strict=False)
    own = next(((center, width) for center, width in windows if fits(width, function)), None)
    if asked := parse_window(window):
        shade = through_window(values, *asked)
    elif "VOILUTSequence" in tags:
        table, first = table_of(tags.VOILUTSequence[0], data)
        shade = shares(through_table(values, table, first), float(table.min()), float(table.max()))
    elif own:
        shade = through_window(values, *own, function)
    elif data.BitsStored == 8 and not data.PixelRepresentation and np.array_equal(values, levels):
        shade = levels / 255
    else:
        shade = shares(values, *value_range(values, np.where(padding(tags, data, levels), 0, counts)))
    inverse = data.PhotometricInterpretation == "MONOCHROME1" or tags.get("PresentationLUTShape") == "INVERSE"
    shade = np.clip(shade, 0, 1)
    return to_uint8(1 - shade if inverse else shade)


def _header(file: BinaryIO) -> "Dataset":
    """What stands before the pixels, of the tags in `READ`. Raises ValueError if there is no end to it."""
    from pydicom.filereader import read_partial
    from pydicom.tag import Tag

    seen = 0

    def at_pixels(tag: int, _vr: str | None, _length: int) -> bool:
        nonlocal seen
        seen += 1
        if seen > MAX_ELEMENTS:
            raise ValueError(f"more than {MAX_ELEMENTS:,} elements")
        return 0x7FE00008 <= tag <= 0x7FE00010

    file.seek(0)
    return read_partial(file, at_pixels, force=True, specific_tags=[Tag(name) for name in READ])


def _first_frame(file: BinaryIO, path: Path, data: "Dataset") -> np.ndarray:
    """Stored values of the first frame, (height, width) or, in RGB, (height, width, 3); other frames are not read."""
    import pydicom
    from pydicom.pixels import pixel_array

    syntax = data.file_meta.get("TransferSyntaxUID") if "file_meta" in vars(data) else None
    file.seek(0)
    try:
        if syntax and syntax != _DEFLATED:
            return pixel_array(file, index=0)
        whole = pydicom.dcmread(
            file, force=True, specific_tags=[*READ, "PixelData", "FloatPixelData", "DoubleFloatPixelData"]
        )
        if not syntax:
            implicit, little = whole.original_encoding
            names = {(True, True): "ImplicitVRLittleEndian", (False, True): "ExplicitVRLittleEndian"}
            whole.file_meta.TransferSyntaxUID = getattr(
                pydicom.uid, names.get((implicit, little), "ExplicitVRBigEndian")
            )
        return pixel_array(whole, index=0)
    except Exception as error:
        package = next((name for start, name in _PACKAGES.items() if (syntax or "").startswith(start)), None)
        if package is None or _installed(package):
            raise
        raise UserError(
            f"image {path} is compressed as {syntax.name}, which cannot be read here ({_reason(error)}): "
            f"`pip install pylibjpeg {package}` to read it, or restore it if it is damaged"
        ) from None


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return all(find_spec(name) for name in ("pylibjpeg", package.removeprefix("pylibjpeg-")))


def _check_inflated(file: BinaryIO, path: Path) -> None:
    """Refuse a deflated file that grows beyond measure, before pydicom holds all of it in memory."""
    from pydicom.filereader import _read_file_meta_info, read_preamble

    file.seek(0)
    read_preamble(file, force=True)
    if _read_file_meta_info(file).get("TransferSyntaxUID") != _DEFLATED:
        return
    inflater, size, data = zlib.decompressobj(-zlib.MAX_WBITS), 0, file.read()
    most = min(max(16 << 20, MAX_GROWTH * len(data)), MAX_INFLATED)
    while data and not inflater.eof:
        size += len(inflater.decompress(data, 1 << 20))
        if size > most:
            raise UserError(f"image {path} grows beyond {most >> 20} MB when it is inflated; take it out of the split")
        data = inflater.unconsumed_tail


def _reason(error: Exception) -> str:
    return str(error).split("\n")[0].rstrip(":") or type(error).__name__


def _upper_8(colours: np.ndarray) -> np.ndarray:
    """Palette colours as uint8: of 16 bits the upper 8, unless the lower 8 are all that is used."""
    return (colours if colours.max(initial=0) <= 255 else colours >> 8).astype(np.uint8)
