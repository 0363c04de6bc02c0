"""Every kind of image becomes RGB."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from datasets.images import read_image, stretch
from toolbox.errors import UserError

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_8_bit_images_are_what_pillow_makes_of_them(tmp_path, mode, suffix):
    if mode == "CMYK" and suffix == "png":
        suffix = "jpg"
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(GREY).convert("RGB").convert(mode).save(path)
    found = read_image(path)
    assert found.mode == "RGB" and found.size == (8, 8)
    assert np.array_equal(np.asarray(found), np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("top", [4095, 65535])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path, suffix, top):
    deep = np.linspace(100, top, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(deep).save(tmp_path / f"x.{suffix}")
    found = np.asarray(read_image(tmp_path / f"x.{suffix}"))
    assert (found.min(), found.max()) == (0, 255)
    assert np.allclose(found[..., 0], (deep - 100.0) * 255 / (top - 100), atol=1)
    assert (found[..., 0] == found[..., 2]).all()


def test_16_bit_file_with_8_bit_values_keeps_them(tmp_path):
    Image.fromarray(GREY.astype(np.uint16)).save(tmp_path / "x.png")
    assert np.array_equal(np.asarray(read_image(tmp_path / "x.png"))[..., 0], GREY)


def test_float_tiff_and_stretch(tmp_path):
    values = np.linspace(-3, 5, 64, dtype=np.float32).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "x.tif")
    assert np.asarray(read_image(tmp_path / "x.tif"))[..., 0].tolist() == stretch(values).tolist()
    assert stretch(np.full((2, 2), 7.0)).tolist() == [[0, 0], [0, 0]]
    assert stretch(np.array([np.nan, 0.0, 2.0])).tolist() == [0, 0, 255]


def test_first_page_of_several(tmp_path):
    pages = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    assert np.array_equal(np.asarray(read_image(tmp_path / "x.tif"))[..., 0], GREY)


def test_broken_images_are_named(tmp_path):
    whole = tmp_path / "whole.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(whole)
    for name, content in {
        "cut.jpg": whole.read_bytes()[:700],
        "empty.png": b"",
        "text.png": b"hello",
        "page.gif": b"GIF89a",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=rf"{name} cannot be read .*restore it or take it out of the split"):
            read_image(tmp_path / name)
    with pytest.raises(UserError, match=r"none\.png does not exist"):
        read_image(tmp_path / "none.png")
    with pytest.raises(UserError, match="cannot be read"):
        read_image(tmp_path)


def _png_of(width: int, height: int) -> bytes:
    """A few bytes that claim to be a huge image."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("ignore:Image size")
@pytest.mark.parametrize("side", [11_000, 60_000])
def test_huge_images_are_refused_before_decoding(tmp_path, side):
    (tmp_path / "x.png").write_bytes(_png_of(side, side))
    with pytest.raises(UserError, match=r"x\.png .*make it smaller"):
        read_image(tmp_path / "x.png")


def test_formats_that_run_programs_are_not_opened(tmp_path):
    (tmp_path / "x.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n")
    with pytest.raises(UserError, match="no known image format"):
        read_image(tmp_path / "x.png")
