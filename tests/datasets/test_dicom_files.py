"""pydicom's own test files: what its pipeline makes of them, scaled to 8 bits, is what we read."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from datasets.images import read_image
from datasets.stretch import stretch
from toolbox.errors import UserError

pydicom = pytest.importorskip("pydicom")
pixels = pytest.importorskip("pydicom.pixels")

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.skipif(not FILES.is_dir(), reason="no test files")]
WINDOWED = ("693_J2KI", "J2K_pixelrep_mismatch", "MR_small", "MR_small_RLE", "MR_small_bigendian", "examples_overlay")
WITHOUT_WINDOW = ("CT_small", "JPEG2000", "rtdose", "rtdose_expb", "liver_1frame")
COLOUR = (
    *("ExplVR_BigEnd", "SC_rgb_dcmtk_+eb+cy+np", "SC_rgb_jpeg_dcmtk", "SC_rgb_rle_2frame", "SC_rgb_small_odd_jpeg"),
    *("SC_ybr_full_422_uncompressed", "examples_jpeg2k", "examples_rgb_color", "examples_ybr_color"),
)


def both(name: str) -> tuple[np.ndarray, np.ndarray, pydicom.Dataset]:
    """What we read, the stored values of the first frame, and the data set."""
    path = FILES / f"{name}.dcm"
    return np.asarray(read_image(path)), pixels.pixel_array(path, index=0), pydicom.dcmread(path)


@pytest.mark.parametrize("name", WINDOWED)
def test_windows(name):
    found, frame, data = both(name)
    shown = pixels.apply_voi_lut(pixels.apply_modality_lut(frame, data), data)
    low, high = (
        float(pixels.apply_modality_lut(np.array(v), data)) for v in ends(data)
    )  # pydicom's windows fill this range
    assert np.abs(found[..., 0] - (shown - low) * 255 / (high - low)).max() <= 0.51


def ends(data) -> tuple[int, int]:
    if data.PixelRepresentation:
        return -(2 ** (data.BitsStored - 1)), 2 ** (data.BitsStored - 1) - 1
    return 0, 2**data.BitsStored - 1


@pytest.mark.parametrize("name", WITHOUT_WINDOW)
def test_without_window(name):
    found, frame, data = both(name)
    values = pixels.apply_modality_lut(frame, data).astype(np.float64)
    kept = values if data.get("PixelPaddingValue") is None else values[frame != data.PixelPaddingValue]
    low, high = np.percentile(kept, 1, method="higher"), np.percentile(kept, 99, method="lower")
    assert np.abs(found[..., 1] - np.clip((values - low) * 255 / (high - low), 0, 255)).max() <= 0.51


@pytest.mark.parametrize("name", COLOUR)
def test_colour(name):
    found, frame, _ = both(name)
    assert np.array_equal(found, frame)


def test_palette_and_deep_colour():
    found, frame, data = both("examples_palette")
    assert np.array_equal(found, pixels.apply_color_lut(frame, data) >> 8)
    found, frame, _ = both("SC_rgb_rle_16bit")
    assert np.array_equal(found, stretch(frame))


def test_deflated():
    found = np.asarray(read_image(FILES / "image_dfl.dcm"))
    assert np.array_equal(found[..., 0], pydicom.dcmread(FILES / "image_dfl.dcm").pixel_array)


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("MR_small_jpeg_ls_lossless", "pylibjpeg-libjpeg"),
        ("JPGExtended", "pylibjpeg-libjpeg"),
        ("SC_rgb_jpeg_gdcm", "pylibjpeg-libjpeg"),
        ("GDCMJ2K_TextGBR", "pylibjpeg-openjpeg"),
    ],
)
def test_what_pydicom_alone_cannot_decompress(name, package):
    if "pylibjpeg" in sys.modules:
        pytest.skip("it can")
    with pytest.raises(
        UserError, match=rf"{name}\.dcm is compressed as .*: `pip install pylibjpeg {package}` to read it"
    ):
        read_image(FILES / f"{name}.dcm")


def test_every_file_is_read_or_named():
    read, refused = 0, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in FILES.parent.rglob("*.dcm"):
            try:
                assert read_image(path).mode == "RGB"
                read += 1
            except UserError as error:
                assert str(path) in str(error)
                refused += 1
    assert read >= 45 and refused >= 20
