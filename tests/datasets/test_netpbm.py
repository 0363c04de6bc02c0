"""PGM, PPM and PBM are what Pillow makes of them, but for 16-bit colour and hostile comments."""

import io

import numpy as np
import pytest
from PIL import Image

from datasets.images import read_image
from datasets.stretch import stretch
from toolbox.errors import UserError

RNG = np.random.default_rng(1)
GREY, RGB = RNG.integers(0, 256, (5, 7), dtype=np.uint8), RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)


def words(values) -> bytes:
    return " ".join(map(str, np.asarray(values).ravel().tolist())).encode()


FILES = {
    "P5": b"P5\n# made by hand\n7 5 # size\n255\n" + GREY.tobytes(),
    "P5 of 100": b"P5 7 5 100\n" + (GREY % 101).tobytes(),
    "P6": b"P6 7\t5\r\n255\n" + RGB.tobytes(),
    "P2": b"P2\n7 5\n#a\n255\n" + words(GREY) + b"\n",
    "P3": b"P3 7 5 255\n" + words(RGB).replace(b" ", b"\n# comment\n", 3),
    "P1": b"P1 7 5\n" + words(GREY % 2).replace(b" ", b""),
    "P4": b"P4 7 5\n" + np.packbits(GREY % 2, axis=1).tobytes(),
}


@pytest.mark.parametrize("kind", FILES)
def test_as_pillow_reads_them(tmp_path, kind):
    (tmp_path / "x.pgm").write_bytes(FILES[kind])
    expected = np.asarray(Image.open(io.BytesIO(FILES[kind])).convert("RGB"))
    assert np.array_equal(np.asarray(read_image(tmp_path / "x.pgm")), expected)


def test_16_bit(tmp_path):
    deep = RNG.integers(0, 4096, (5, 7, 3)).astype(np.uint16)
    (tmp_path / "x.ppm").write_bytes(b"P6 7 5 65535\n" + deep.astype(">u2").tobytes())
    assert np.array_equal(np.asarray(read_image(tmp_path / "x.ppm")), stretch(deep))
    (tmp_path / "x.pgm").write_bytes(b"P2 7 5 4095\n" + words(deep[..., 0]))
    assert np.array_equal(np.asarray(read_image(tmp_path / "x.pgm"))[..., 1], stretch(deep[..., 0]))


@pytest.mark.parametrize(
    "content",
    [
        *(FILES["P5"][:-1], FILES["P2"][:-6], FILES["P4"][:-1], FILES["P3"].replace(b"#", b"x")),
        *(b"P5 0 5 255\n", b"P5 7 5 70000\n", b"P6", b"P2 7 5 255 a", b"P2 1 1 255 \n "),
    ],
)
def test_broken_ones_are_named(tmp_path, content):
    (tmp_path / "x.pgm").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.pgm cannot be read"):
        read_image(tmp_path / "x.pgm")
