"""16 bits a channel, however they are stored: none are cut off, and 12-bit data in them is not left black."""

import numpy as np
import pytest
from PIL import Image

from datasets.images import read_image
from datasets.stretch import stretch
from tests.datasets.pictures import png16
from toolbox.errors import UserError

VALUES = np.random.default_rng(3).integers(0, 4096, (40, 50, 4)).astype(np.uint16)  # 12 bits
VALUES[0, 0] = 65535  # a hot pixel
GREY = VALUES[..., 0]


def channels(path) -> np.ndarray:
    return np.asarray(read_image(path))


def assert_shows(path, values: np.ndarray) -> None:
    found = channels(path)
    assert np.array_equal(found, values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2))
    assert found.mean() > 100  # the upper 8 bits alone would be 0 to 15


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_png(tmp_path, n):
    path = png16(tmp_path / "x.png", VALUES[..., :n] if n > 1 else GREY)
    assert_shows(path, stretch(VALUES[..., :3] if n > 2 else GREY))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
class TestTiff:
    @pytest.fixture
    def write(self, tmp_path, order, compression):
        tifffile = pytest.importorskip("tifffile")

        def write(values, **options):
            tifffile.imwrite(tmp_path / "x.tif", values, byteorder=order, compression=compression, **options)
            return tmp_path / "x.tif"

        return write

    @pytest.mark.parametrize("extra", [None, [0], [1], [2]])
    def test_colour(self, write, extra):
        values = VALUES if extra else VALUES[..., :3]
        assert_shows(write(values, photometric="rgb", extrasamples=extra), stretch(VALUES[..., :3]))

    def test_planes_tiles_and_grey_with_alpha(self, write):
        rgb = VALUES[..., :3]
        assert_shows(write(np.moveaxis(rgb, 2, 0), photometric="rgb", planarconfig="separate"), stretch(rgb))
        assert_shows(write(rgb, photometric="rgb", tile=(16, 16)), stretch(rgb))
        assert_shows(
            write(VALUES[..., :2], photometric="minisblack", planarconfig="contig", extrasamples=[2]), stretch(GREY)
        )

    def test_min_is_white_is_inverted(self, write):
        assert_shows(write(GREY, photometric="miniswhite"), 255 - stretch(GREY))
        small = (GREY % 200).astype(np.uint16)
        assert_shows(write(small, photometric="miniswhite"), (255 - small).astype(np.uint8))

    @pytest.mark.parametrize("kind", ["int16", "uint32", "int32", "float32", "float64"])
    def test_other_numbers(self, write, kind):
        values = GREY.astype(kind) * np.array(60000 if kind == "uint32" else 1, kind)  # beyond what int32 holds
        values = values if kind == "uint32" else values - np.array(1000, kind)
        assert_shows(write(values, photometric="minisblack"), stretch(values))

    def test_several_pages(self, write):
        pages = np.stack([GREY, 4095 - GREY % 4096])
        assert_shows(write(pages, photometric="minisblack"), stretch(GREY))


def test_without_tifffile_the_remedy_is_named(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "x.tif", VALUES[..., :2], photometric="minisblack", planarconfig="contig")
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    with pytest.raises(
        UserError, match=r"x\.tif is a TIFF of a rare kind: `pip install tifffile imagecodecs` to read it"
    ):
        read_image(tmp_path / "x.tif")


def test_jpeg_2000(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "grey.jp2")
    assert_shows(tmp_path / "grey.jp2", stretch(GREY))
    rgb = np.ascontiguousarray((VALUES[..., :3] >> 4).astype(np.uint8))
    Image.fromarray(rgb).save(tmp_path / "rgb.jp2")
    assert np.array_equal(channels(tmp_path / "rgb.jp2"), rgb)
