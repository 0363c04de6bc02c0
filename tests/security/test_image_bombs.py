"""Small image files that would take all memory or all time."""

import ctypes
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import images, stretch
from datasets.images import MAX_BYTES, read_image
from tests.security.test_bombs import in_little_memory
from toolbox.errors import UserError


def comments(path: Path) -> None:
    """A plain PGM with two million comments, each of which Pillow takes out by copying all that follows."""
    path.write_bytes(b"P2 1000 1000 255\n" + b"#\n" * (2 << 20))


def header_of_comments(path: Path) -> None:
    path.write_bytes(b"P5\n" + b"#\n" * (8 << 20) + b"8 8 255\n" + bytes(64))


def few_numbers(path: Path) -> None:
    path.write_bytes(b"P3 3000 3000 255\n1 2 3\n")


def deflated(path: Path, data: bytes, times: int) -> None:
    """A deflated DICOM file whose elements are `data`, `times` over."""
    from pydicom.uid import DeflatedExplicitVRLittleEndian as syntax

    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    meta = b"\2\0\x10\0UI" + struct.pack("<H", len(uid)) + uid
    squeeze = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = squeeze.compress(data) + squeeze.flush(zlib.Z_FULL_FLUSH)
    length = b"\2\0\0\0UL\4\0" + struct.pack("<I", len(meta))
    path.write_bytes(bytes(128) + b"DICM" + length + meta + block * times + squeeze.flush())


def zeros(path: Path) -> None:
    """4 GB of nothing in a few MB."""
    deflated(path, bytes(1 << 20), 4096)
    assert path.stat().st_size < 30 << 20


def elements(path: Path) -> None:
    """Many empty elements, no two alike."""
    tags = np.arange(0x0009_1000, 0x0009_1000 + (1 << 18), dtype=np.uint32)
    data = np.zeros(len(tags), [("group", "<u2"), ("element", "<u2"), ("vr", "S2"), ("length", "<u2")])
    data["group"], data["element"], data["vr"] = tags >> 16, tags & 0xFFFF, b"LO"
    deflated(path, data.tobytes(), 1)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.pgm", comments, "cut short"),
        ("a.pgm", header_of_comments, "in its first 64 KB"),
        ("a.ppm", few_numbers, "cut short"),
        ("a.dcm", zeros, "grows beyond 64 MB when it is inflated"),
        ("a.dcm", elements, "more than 50,000 elements"),
    ],
)
def test_bombs(tmp_path, name, make, message):
    if name == "a.dcm":
        pytest.importorskip("pydicom.pixels")
    make(tmp_path / name)
    found = in_little_memory(read_image, tmp_path / name)
    assert name in found and message in found


SIDE = 3000  # large, so that what a process takes besides is little a pixel
NOISE = np.tile(np.random.default_rng(0).integers(0, 4096, (500, 500, 3)).astype(np.uint16), (6, 6, 1))


def ppm(values: np.ndarray, path: Path) -> None:
    path.write_bytes(b"P6 %d %d 65535\n" % values.shape[1::-1] + values.astype(">u2").tobytes())


def colour(values: np.ndarray) -> Image.Image:
    return Image.fromarray((values >> 4).astype(np.uint8))


KINDS = {
    "deep.png": lambda values, path: Image.fromarray(values[..., 0]).save(path, compress_level=1),
    "deep.ppm": ppm,
    "float.tif": lambda values, path: Image.fromarray(values[..., 0].astype(np.float32)).save(path),
    "colour.jpg": lambda values, path: colour(values).save(path),
    "progressive.jpg": lambda values, path: colour(values).save(path, progressive=True, subsampling=0),
    "colour.webp": lambda values, path: colour(values).save(path, quality=5, method=0),
    "alpha.png": lambda values, path: colour(values).convert("RGBA").save(path, compress_level=1),
}


@pytest.mark.parametrize("name", KINDS)
def test_memory_is_what_was_counted(tmp_path, name, monkeypatch):
    """The most memory that decoding takes, a pixel, is within the count by which larger images are refused."""
    KINDS[name](NOISE, tmp_path / name)
    monkeypatch.setattr(stretch, "_BLOCK", 1 << 14)  # small beside the image, as it is beside large ones
    counted = []
    check = images.check_size
    monkeypatch.setattr(images, "check_size", lambda *size: (counted.append(size[-1]), check(*size)))

    def read(path: Path) -> None:
        read_image(path)  # pages of libraries that a first use brings in would be counted too
        counted.clear()
        ctypes.CDLL(None).malloc_trim(0)  # what was freed before is not there to be taken again
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        read_image(path)
        raise UserError(f"{(resident('VmHWM') - before) / SIDE**2:.2f} {counted[-1]}")

    measured, allowed = map(float, in_little_memory(read, tmp_path / name).split())
    assert 3 < measured <= allowed + 1


def resident(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(key))


def test_images_beyond_the_memory_are_refused_before_they_are_decoded(tmp_path):
    side = int((MAX_BYTES / 20) ** 0.5) + 10
    header = b"P6 %d %d 65535\n" % (side, side)
    (tmp_path / "x.ppm").write_bytes(header)
    with pytest.raises(
        UserError, match=r"x\.ppm has .* pixels, which take 1\.0 GB to decode, more than 1; make it smaller"
    ):
        read_image(tmp_path / "x.ppm")
