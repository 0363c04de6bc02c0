import json

import pytest

from toolbox.errors import UserError
from toolbox.files import atomic_json, atomic_path, atomic_text


def test_files_are_written_whole(tmp_path):
    atomic_json(tmp_path / "new" / "a.json", {"β": 1})
    assert json.loads((tmp_path / "new" / "a.json").read_text()) == {"β": 1}
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.json"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    atomic_text(tmp_path / "a.txt", "old")
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "a.txt") as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises((UserError, NotADirectoryError, FileExistsError)):
        atomic_text(tmp_path / "file" / "a.txt", "text")
