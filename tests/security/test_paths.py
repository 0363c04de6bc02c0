"""Names that come from files stay in the folder they belong to."""

import json
import zipfile

import pytest

from datasets.prepare.archive import unpack
from datasets.split import read_split
from llm.store import embedded_rows
from tests.faults.world import build
from toolbox.checkpoints import pointed_file
from toolbox.errors import UserError
from train import run


def with_path(world, path: str):
    """The world with another path for the first training image."""
    content = json.loads(world.split.read_text())
    content["train"][0][0] = path
    content = {key: content[key] for key in ("train", "val", "test")}
    world.split.write_text(json.dumps(content))
    return world


@pytest.mark.parametrize(
    "path", ["../../secret.png", "images/../../../secret.png", "{root}/secret.png", "images/link.png"]
)
def test_a_split_cannot_lead_out_of_its_folder(tmp_path, path):
    world = build(tmp_path / "world")
    secret = world.root / "secret.png"
    secret.write_bytes(world.images()[0].read_bytes())
    (world.split.parent / "images" / "link.png").symlink_to(secret)
    with_path(world, path.format(root=world.root))
    with pytest.raises(UserError, match=r"cells\.json: .* leads out of"):
        run(world.argv("CoOp", tmp_path / "out"))


def test_a_linked_folder_cannot_lead_out_either(tmp_path):
    world = build(tmp_path / "world")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").write_bytes(world.images()[0].read_bytes())
    (world.split.parent / "images" / "more").symlink_to(tmp_path / "elsewhere")
    with_path(world, "images/more/a.png")
    with pytest.raises(UserError, match=r"'images/more/a\.png' leads out of"):
        run(world.argv("CoOp", tmp_path / "out"))


def test_unless_it_is_allowed(tmp_path):
    world = build(tmp_path / "world")
    secret = tmp_path / "elsewhere.png"
    secret.write_bytes(world.images()[0].read_bytes())
    with_path(world, str(secret))
    out = tmp_path / "out"
    run(world.argv("CoOp", out, "DATASET.ALLOW_OUTSIDE", "True", "OPTIM.MAX_EPOCH", "1"))
    assert (out / "result.json").is_file()


@pytest.mark.parametrize("name", ["../outside", "../../rows/phantom", "/etc/passwd", "phantom/../../secret"])
def test_names_of_embedded_rows(name):
    with pytest.raises(UserError, match="no embedded rows"):
        embedded_rows(name)


@pytest.mark.parametrize("name", ["../../other.pth.tar", "/etc/passwd", "..", "", "a\0b", "sub/model.pth.tar-1"])
def test_the_pointer_to_the_last_checkpoint(tmp_path, name):
    (tmp_path / "checkpoint").write_text(name)
    with pytest.raises(UserError, match="does not name a checkpoint beside it"):
        pointed_file(tmp_path)


def archive(path, *names: str, link_to: str = ""):
    with zipfile.ZipFile(path, "w") as bundle:
        for name in names:
            info = zipfile.ZipInfo(name)
            if link_to:
                info.external_attr = 0o120777 << 16
            bundle.writestr(info, link_to or "x")
    return path


@pytest.mark.parametrize("name", ["../o.txt", "a/../../o.txt", "/o.txt", "C:/o.txt", "..\\o.txt", "a\\..\\..\\o.txt"])
def test_zip_members_that_leave_the_folder(tmp_path, name):
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    with pytest.raises(UserError, match=r"raw\.zip: member .* would leave its folder; nothing was unpacked"):
        unpack(archive(tmp_path / "raw.zip", "fine.txt", name), folder)
    assert {file.name for file in tmp_path.rglob("*") if file.is_file()} == {"raw.zip"}


def test_zip_members_that_are_links(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="is a link; nothing was unpacked"):
        unpack(archive(tmp_path / "raw.zip", "link", link_to="/etc/passwd"), tmp_path / "folder")
    assert not list((tmp_path / "folder").iterdir())


def test_a_split_of_another_kind_of_file(tmp_path):
    (tmp_path / "fifo.json").mkdir()
    with pytest.raises(UserError, match=r"fifo\.json cannot be read"):
        read_split(tmp_path / "fifo.json")
