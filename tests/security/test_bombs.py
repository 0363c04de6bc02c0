"""Small files that would take all memory, all disk or all time."""

import json
import os
import resource
import struct
import time
import zipfile
import zlib
from pathlib import Path

import pytest

from datasets.images import MAX_PIXELS, read_image
from datasets.pickles import read_coop_pickle
from datasets.prepare.archive import unpack
from datasets.split import Split, read_split
from llm.store import read_store
from toolbox.checkpoints import load_checkpoint
from toolbox.errors import UserError
from trainers.life.recording import Recording
from vlm.loading.weights import read_weights

GIGABYTE = 1 << 30


def png(path, width: int, height: int):
    """A PNG that claims a size, with hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )
    return path


@pytest.mark.filterwarnings("ignore:Image size")
@pytest.mark.parametrize("side", [11_000, 50_000, 2**31 - 1])
def test_images(tmp_path, side):
    assert side * side > MAX_PIXELS
    with pytest.raises(UserError, match=r"huge\.png"):
        read_image(png(tmp_path / "huge.png", side, side))


def test_zip_members_that_grow(tmp_path):
    (tmp_path / "folder").mkdir()
    with zipfile.ZipFile(tmp_path / "raw.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bundle:
        bundle.writestr("zeros.bin", bytes(64 << 20))
    assert (tmp_path / "raw.zip").stat().st_size < 100_000
    with pytest.raises(UserError, match=r"grows from .* nothing was unpacked"):
        unpack(tmp_path / "raw.zip", tmp_path / "folder")
    assert not list((tmp_path / "folder").iterdir())


def test_zip_members_longer_than_they_say(tmp_path):
    (tmp_path / "folder").mkdir()
    path = tmp_path / "raw.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("a.bin", bytes(5000))
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 5000), struct.pack("<I", 10)))
    with pytest.raises(UserError, match=r"raw\.zip"):
        unpack(path, tmp_path / "folder")
    assert sum(file.stat().st_size for file in (tmp_path / "folder").rglob("*")) <= 10


def test_json_that_nests_without_end(tmp_path):
    (tmp_path / "split.json").write_text("[" * 200_000)
    with pytest.raises(UserError, match=r"split\.json is not JSON"):
        read_split(tmp_path / "split.json")


def test_row_files_with_a_header_of_any_size(tmp_path):
    (tmp_path / "rows.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(UserError, match=r"rows\.safetensors"):
        read_store(tmp_path / "rows.safetensors")


READERS = {
    "few-shot pickle": lambda path: read_coop_pickle(path, Split([], [], [])),
    "recording": Recording.read,
    "checkpoint": load_checkpoint,
    "backbone": read_weights,
}


def memo_bomb(path) -> None:
    """A pickle that stores an object at place 2**31 of the memo, which the C unpickler makes a list for."""
    path.write_bytes(b"\x80\x02]r" + struct.pack("<I", 2**31 - 1) + b".")


def array_bomb(path) -> None:
    """An .npz whose array header claims 2**40 numbers."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,), }"
    header = header.ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    path.with_suffix(".json").write_text(
        json.dumps({"method": "CoOp", "clip": {}, "clip_seed": 1, "classnames": [], "trainable": []})
    )


def torchscript_bomb(path) -> None:
    """The memo bomb inside an archive of weights."""
    memo_bomb(path)
    content = path.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("clip/data.pkl", content)
        archive.writestr("clip/constants.pkl", b"")


@pytest.mark.parametrize(
    ("kind", "name", "make"),
    [
        ("few-shot pickle", "a.pkl", memo_bomb),
        ("checkpoint", "a.pth.tar", memo_bomb),
        ("backbone", "a.pt", torchscript_bomb),
        ("recording", "a.npz", array_bomb),
    ],
)
def test_what_would_take_all_memory(tmp_path, kind, name, make):
    make(tmp_path / name)
    message = in_little_memory(READERS[kind], tmp_path / name)
    assert name in message
    if make is not array_bomb:  # numpy asks for the memory before it reads, and is refused at once
        assert "MemoryError" not in message


def in_little_memory(read, path) -> str:
    """The UserError that `read(path)` raises, in a process of its own with 2 GB more memory and 20 s more of computing."""
    message = path.with_suffix(".message")
    pid = os.fork()
    if not pid:
        code = 1
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + 2 * GIGABYTE
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            seconds = int(time.process_time()) + 20
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            read(path)
        except UserError as error:
            message.write_text(str(error))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return message.read_text()
