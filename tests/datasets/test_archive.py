"""Zip archives from the network are unpacked without trusting them."""

import stat
import zipfile

import pytest

from datasets.prepare import archive
from datasets.prepare.archive import unpack
from toolbox.errors import UserError


def _zip(path, members: dict[str, bytes], mode: int = 0):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            bundle.writestr(info, content)
    return path


def test_members_are_unpacked(tmp_path):
    path = _zip(tmp_path / "x.zip", {"a/b.txt": b"b", "c.txt": b"c" * 5000, "empty/": b""})
    (tmp_path / "out").mkdir()
    unpack(path, tmp_path / "out")
    assert {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()} == {
        "a/b.txt",
        "c.txt",
    }


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:/evil", "C:\\evil"])
def test_paths_that_leave_the_folder_are_refused(tmp_path, name):
    path = _zip(tmp_path / "x.zip", {"good": b"1", name: b"2"})
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="would leave its folder; nothing was unpacked"):
        unpack(path, tmp_path / "out")
    assert not any((tmp_path / "out").iterdir()) and not (tmp_path / "evil").exists()


def test_links_are_refused(tmp_path):
    path = _zip(tmp_path / "x.zip", {"link": b"/etc/passwd"}, stat.S_IFLNK | 0o777)
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="is a link; nothing was unpacked"):
        unpack(path, tmp_path / "out")


def test_bombs_are_refused(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(archive, "_SMALL", 1000)
    one = _zip(tmp_path / "one.zip", {"a": b"\0" * 1_000_000})
    with pytest.raises(UserError, match=r"grows from .* to 1,000,000 bytes; nothing was unpacked"):
        unpack(one, tmp_path / "out")
    many = _zip(tmp_path / "many.zip", {f"{i}": b"\0" * 1000 for i in range(50)})
    monkeypatch.setattr(archive, "MAX_RATIO", 2)
    with pytest.raises(UserError, match=r"many\.zip .* unpacks to"):
        unpack(many, tmp_path / "out")
    monkeypatch.setattr(archive, "MAX_MEMBERS", 49)
    with pytest.raises(UserError, match="50 members, more than 49"):
        unpack(many, tmp_path / "out")
    assert not any((tmp_path / "out").iterdir())


@pytest.mark.parametrize("damage", ["cut", "junk", "flip"])
def test_damaged_archives_are_named(tmp_path, damage):
    path = _zip(tmp_path / "x.zip", {"a": bytes(range(256)) * 20})
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[60] ^= 0xFF
    path.write_bytes({"cut": content[:-30], "junk": b"no zip", "flip": content}[damage])
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match=r"x\.zip cannot be unpacked .*download it again"):
        unpack(path, tmp_path / "out")


def test_a_second_archive_does_not_overwrite_files_of_the_first(tmp_path):
    (tmp_path / "out").mkdir()
    unpack(_zip(tmp_path / "train.zip", {"images/1.png": b"train", "licence": b"free"}), tmp_path / "out")
    unpack(_zip(tmp_path / "more.zip", {"images/2.png": b"more", "licence": b"free"}), tmp_path / "out")
    with pytest.raises(UserError, match=r"test\.zip: another file 'images/1\.png' was unpacked before"):
        unpack(_zip(tmp_path / "test.zip", {"images/1.png": b"test!"}), tmp_path / "out")
    assert (tmp_path / "out/images/1.png").read_bytes() == b"train"
