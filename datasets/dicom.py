"""DICOM images, by the optional package pydicom."""

from pathlib import Path

import numpy as np

from toolbox.errors import UserError


def is_dicom(path: Path) -> bool:
    """Whether the file says it is DICOM ("DICM" after 128 bytes) or is named so."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom")


def read_dicom(path: Path, max_pixels: int) -> np.ndarray:
    """The first frame as uint8 (height, width, 3), windowed as the file says, MONOCHROME1 inverted.

    Without a window or a table of values in the file, grey values are scaled from their minimum and maximum.
    Raises UserError if pydicom is not installed, or the file is broken or too large.
    """
    try:
        import pydicom
        from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array
    except ImportError:
        raise UserError(f"{path} is DICOM: `pip install pydicom` to read it") from None
    try:
        data = pydicom.dcmread(path, force=True)
        if data.Rows * data.Columns > max_pixels:
            raise UserError(
                f"image {path} has {data.Columns} x {data.Rows} pixels, more than {max_pixels:,}; make it smaller"
            )
        frame = pixel_array(data, index=0)
        if data.SamplesPerPixel == 3:
            return _eight_bit(frame, data.BitsStored)
        grey = apply_modality_lut(frame, data)
        shade = _window(grey, data) if "WindowWidth" in data else _spread(apply_voi_lut(grey, data))
    except UserError:
        raise
    except Exception as error:  # pydicom raises many kinds for broken files
        reason = str(error).split("\n")[0] or type(error).__name__
        raise UserError(
            f"image {path} cannot be read as DICOM ({reason}); restore it or take it out of the split"
        ) from None
    if data.PhotometricInterpretation == "MONOCHROME1":
        shade = 1 - shade
    return np.repeat(np.rint(shade * 255).astype(np.uint8)[..., None], 3, axis=2)


def _window(grey: np.ndarray, data) -> np.ndarray:
    """Grey values through the file's first window, as 0..1 (DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3)."""
    center, width = (float(np.atleast_1d(data[key].value)[0]) for key in ("WindowCenter", "WindowWidth"))
    function = data.get("VOILUTFunction", "LINEAR")
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (grey - center) / width))
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    return np.clip((grey - center) / max(width, 1e-9) + 0.5, 0, 1)


def _spread(grey: np.ndarray) -> np.ndarray:
    """Grey values from their own minimum to their own maximum, as 0..1."""
    low, high = float(grey.min()), float(grey.max())
    return (grey - low) / (high - low) if high > low else np.zeros(grey.shape)


def _eight_bit(frame: np.ndarray, bits: int) -> np.ndarray:
    return frame if frame.dtype == np.uint8 else (frame >> max(bits - 8, 0)).astype(np.uint8)
