"""Things that change between a look and a use, and two processes in one place."""

import fcntl
import os

import pytest
from PIL import Image

from datasets.images import read_image
from datasets.prepare.install import scratch_in
from toolbox.errors import UserError


@pytest.fixture
def images(tmp_path):
    """A folder with an image, and an image outside it."""
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (8, 8), "red").save(folder / "a.png")
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "secret.png")
    return folder


def test_a_link_that_came_in_the_place_of_an_image(images):
    below = os.path.realpath(images)
    assert read_image(images / "a.png", below=below).getpixel((0, 0)) == (255, 0, 0)
    (images / "a.png").unlink()
    (images / "a.png").symlink_to(images.parent / "secret.png")
    with pytest.raises(UserError, match=r"a\.png leads out of .*images; mend the split"):
        read_image(images / "a.png", below=below)
    assert read_image(images / "a.png").getpixel((0, 0)) == (0, 0, 255)


def test_a_folder_that_became_a_link(images):
    below = os.path.realpath(images)
    (images / "more").symlink_to(images.parent)
    with pytest.raises(UserError, match="leads out of"):
        read_image(images / "more/secret.png", below=below)


def test_a_link_within_the_folder_is_fine(images):
    (images / "b.png").symlink_to("a.png")
    assert read_image(images / "b.png", below=os.path.realpath(images)).size == (8, 8)


def test_a_pipe_is_not_waited_for(images):
    os.mkfifo(images / "pipe.png")
    with pytest.raises(UserError, match=r"pipe\.png cannot be read \(no file\)"):
        read_image(images / "pipe.png")


def test_a_second_prepare_is_refused(tmp_path):
    folder = tmp_path / "cells"
    folder.mkdir()
    other = os.open(folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(UserError, match=r"another prepare is at work in .*cells"), scratch_in(folder):
        pytest.fail("it was let in")
    os.close(other)
    with scratch_in(folder) as scratch:
        assert scratch.is_dir()
    assert list(tmp_path.rglob("*")) == [folder]


def test_what_a_killed_prepare_left_is_cleared(tmp_path):
    (tmp_path / "cells/.unpacked-old/deep").mkdir(parents=True)
    (tmp_path / "cells/cells.json").touch()
    with scratch_in(tmp_path / "cells") as scratch:
        assert [path.name for path in (tmp_path / "cells").glob(".unpacked-*")] == [scratch.name]
    assert [path.name for path in (tmp_path / "cells").iterdir()] == ["cells.json"]
