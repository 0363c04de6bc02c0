"""Small inputs that were read wrongly or refused without need (tests/cases), and what their pixels are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.images import read_image
from datasets.stretch import stretch

CASES = Path(__file__).parents[1] / "cases"


def grey(path: Path) -> np.ndarray:
    found = np.asarray(read_image(path))
    assert (found[..., 0] == found[..., 1]).all() and (found[..., 0] == found[..., 2]).all()
    return found[..., 0]


def test_pgm_mammograms():
    files = sorted((CASES / "04-pgm-mammograms").rglob("*.pgm"))
    assert len(files) == 10
    for path in files:
        found = np.asarray(read_image(path))
        assert found.shape == (36, 40, 3)
        assert np.array_equal(found, np.asarray(Image.open(path).convert("RGB")))
    first = np.frombuffer(files[0].read_bytes()[-36 * 40 * 3 :], np.uint8).reshape(36, 40, 3)
    assert np.array_equal(np.asarray(read_image(files[0])), first)


class TestDicom:
    folder = CASES / "22-dicom-empty-window"

    @pytest.fixture(autouse=True)
    def values(self) -> np.ndarray:
        pydicom = pytest.importorskip("pydicom")
        return pydicom.dcmread(self.folder / "full.dcm").pixel_array

    def test_window(self, values):
        expected = np.rint(np.clip((values - 399.5) / 799 + 0.5, 0, 1) * 255)  # centre 400, width 800
        assert np.array_equal(grey(self.folder / "full.dcm"), expected)
        assert expected[0, 0] == 0 and values.max() == 1008 and expected.max() == 255

    def test_empty_rescale_is_no_rescale(self):
        assert np.array_equal(grey(self.folder / "empty_rescale.dcm"), grey(self.folder / "full.dcm"))

    @pytest.mark.parametrize("name", ["empty_window.dcm", "width_without_centre.dcm"])
    def test_empty_and_half_window_are_no_window(self, values, name):
        low, high = np.percentile(values, 1, method="higher"), np.percentile(values, 99, method="lower")
        expected = np.rint(np.clip((values - float(low)) / (high - low), 0, 1) * 255)
        assert np.array_equal(grey(self.folder / name), expected)
        assert np.array_equal(expected, stretch(values))

    def test_palette_colour(self):
        import pydicom

        path = CASES / "23-dicom-palette-colour" / "us.dcm"
        data = pydicom.dcmread(path)
        tables = [
            np.frombuffer(data[f"{name}PaletteColorLookupTableData"].value, "<u2") for name in ("Red", "Green", "Blue")
        ]
        found = np.asarray(read_image(path))
        for channel, table in enumerate(tables):
            assert np.array_equal(found[..., channel], table[data.pixel_array] // 256)
        assert (found[..., 0] != found[..., 2]).any()

    def test_without_suffix(self):
        files = sorted((CASES / "26-dicom-without-suffix" / "raw").rglob("IM-*"))
        assert len(files) == 8
        for path in files:
            assert np.array_equal(grey(path), grey(self.folder / "full.dcm"))
