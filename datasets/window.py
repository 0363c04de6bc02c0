"""Windows on the values of a DICOM image: which is asked for by DATASET.WINDOW, and what it makes of the values."""

import math
import re

import numpy as np

from toolbox.errors import UserError, nearest

# Centre and width in Hounsfield units, the usual ones for CT.
NAMED = {"lung": (-600.0, 1500.0), "bone": (400.0, 1800.0), "brain": (40.0, 80.0), "soft tissue": (50.0, 400.0)}


def parse_window(text: str) -> tuple[float, float] | None:
    """Centre and width of "40 400" or of a name of `NAMED` (`_` or `-` may stand for its blank); None for "".

    Raises:
        UserError: it is neither, or the width is below 1.
    """
    plain = re.sub(r"[\s_-]+", " ", text).strip().lower()
    if not text.strip():
        return None
    if plain in NAMED:
        return NAMED[plain]
    try:
        center, width = (float(word) for word in re.split(r"[\s,/]+", text.strip()))
    except ValueError:
        raise UserError(
            f'DATASET.WINDOW {text!r} is no window; give its centre and width ("40 400") or a name '
            f"({nearest(plain, NAMED)})"
        ) from None
    if not (math.isfinite(center) and math.isfinite(width) and width >= 1):
        raise UserError(f"DATASET.WINDOW {text!r}: the second number is the width, 1 or more")
    return center, width


def fits(width: float, function: str) -> bool:
    """Whether a width means something: LINEAR needs 1 or more, the other functions more than 0."""
    return width >= 1 if function == "LINEAR" else width > 0


def through_window(values: np.ndarray, center: float, width: float, function: str = "LINEAR") -> np.ndarray:
    """Values through a window, 0..1 inside it (DICOM PS3.3: LINEAR C.11.2.1.2, SIGMOID and LINEAR_EXACT C.11.2.1.3)."""
    values = values.astype(np.float64)
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    return (values - center) / max(width, 1e-9) + 0.5
