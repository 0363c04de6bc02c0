"""Every kind of image becomes RGB."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from datasets.images import read_image
from datasets.reading import Reading
from datasets.stretch import stretch
from tests.datasets.pictures import chunk, picture
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
    low, high = deep.ravel()[[1, -2]].astype(float)  # 1st and 99th percentile of 64 values, rounded inwards
    assert np.allclose(found[..., 0], np.clip((deep - low) * 255 / (high - low), 0, 255), atol=1)
    assert (found[..., 0] == found[..., 2]).all()


def test_16_bit_file_with_8_bit_values_keeps_them(tmp_path):
    Image.fromarray(GREY.astype(np.uint16)).save(tmp_path / "x.png")
    assert np.array_equal(np.asarray(read_image(tmp_path / "x.png"))[..., 0], GREY)


def test_float_tiff(tmp_path):
    values = np.linspace(-3, 5, 64, dtype=np.float32).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "x.tif")
    assert np.asarray(read_image(tmp_path / "x.tif"))[..., 0].tolist() == stretch(values).tolist()


def test_first_page_of_several(tmp_path):
    pages = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    assert np.array_equal(np.asarray(read_image(tmp_path / "x.tif"))[..., 0], GREY)


def test_broken_images_are_named(tmp_path):
    whole = tmp_path / "whole.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(whole)
    for name, content in {
        "cut.jpg": whole.read_bytes()[:300],
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
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


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


@pytest.fixture
def photo(tmp_path):
    return picture(tmp_path / "photo.jpg", 64)


@pytest.mark.parametrize("missing", [1, 2, 200])
def test_a_jpeg_that_lacks_its_end(tmp_path, photo, missing):
    whole = np.asarray(read_image(photo)).astype(int)
    (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:-missing])
    with pytest.raises(
        UserError, match=r"cut\.jpg is a JPEG that lacks its last bytes; .* INPUT\.ALLOW_TRUNCATED True"
    ):
        read_image(tmp_path / "cut.jpg")
    found = np.asarray(read_image(tmp_path / "cut.jpg", reading=Reading(allow_truncated=True))).astype(int)
    assert found.shape == whole.shape
    assert np.array_equal(found[:16], whole[:16])  # what is there is read
    (tmp_path / "header.jpg").write_bytes(photo.read_bytes()[:100])
    with pytest.raises(UserError, match=r"header\.jpg cannot be read"):
        read_image(tmp_path / "header.jpg", reading=Reading(allow_truncated=True))


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.dcm", "x.pgm", "x"])
def test_empty_files(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=rf"{name} is empty \(0 bytes\)"):
        read_image(tmp_path / name)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UserError, match=r"pipe\.png cannot be read \(no file\)"):
        read_image(tmp_path / "pipe.png")


@pytest.mark.parametrize("suffix", ["jp2", "jfif", "tif", "bmp", "webp", "gif", "pgm", ""])
def test_formats_are_known_by_content(tmp_path, suffix):
    kind = {"jp2": "JPEG2000", "jfif": "JPEG", "pgm": "PPM", "": "PNG"}.get(suffix)
    colour = picture(tmp_path / "whole.png", 32)
    with Image.open(colour) as image:
        image.save(tmp_path / f"image.{suffix}", kind)
        image.save(tmp_path / "any.bin", kind or suffix.replace("tif", "tiff"))
    found = np.asarray(read_image(tmp_path / "any.bin")).astype(int)
    assert np.array_equal(found, np.asarray(read_image(tmp_path / f"image.{suffix}")))
    assert np.abs(found - np.asarray(Image.open(colour))).mean() < 8
