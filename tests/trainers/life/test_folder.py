"""One process a folder, also where the file system has no locks; and folders that are moved aside."""

import errno
import fcntl
import json
import os
import platform

import pytest

from toolbox.errors import UserError
from trainers.life.folder import HOLDER, _started, alone_in, remove_unfinished, set_aside


@pytest.fixture
def no_locks(monkeypatch):
    def lockf(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", lockf)


def holder(folder, **changes):
    folder.mkdir(exist_ok=True)
    content = {"host": platform.node(), "pid": os.getpid(), "started": _started(os.getpid()), **changes}
    (folder / HOLDER).write_text(json.dumps(content))


def test_a_named_process_stands_for_the_lock(no_locks, tmp_path, capsys):
    with alone_in(tmp_path):
        assert json.loads((tmp_path / HOLDER).read_text())["pid"] == os.getpid()
        with pytest.raises(UserError, match=r"another process \(\d+\) is at work"), alone_in(tmp_path):
            pass
    assert not (tmp_path / HOLDER).exists()
    assert "No locks available" in capsys.readouterr().err


@pytest.mark.parametrize("changes", [{"pid": 2**22 + 1}, {"started": "1"}])
def test_who_has_ended_holds_nothing(no_locks, tmp_path, changes):
    holder(tmp_path, **changes)
    with alone_in(tmp_path):
        assert json.loads((tmp_path / HOLDER).read_text())["pid"] == os.getpid()
    assert [file.name for file in tmp_path.iterdir()] == [".lock"]


def test_of_other_machines_nobody_can_tell(no_locks, tmp_path):
    holder(tmp_path, host="node17")
    with pytest.raises(UserError, match=r"of machine node17 is, or was .* remove .*\.lock-holder"), alone_in(tmp_path):
        pass
    (tmp_path / HOLDER).write_text("{")
    with pytest.raises(UserError, match="does not say who is at work"), alone_in(tmp_path):
        pass


def test_nothing_is_deleted_where_a_folder_is_moved_aside(tmp_path):
    for content in ("first", "second"):
        (tmp_path / "seed1").mkdir()
        (tmp_path / "seed1" / "log.txt").write_text(content)
        set_aside(tmp_path / "seed1")
    assert (tmp_path / "seed1.before-1/log.txt").read_text() == "first"
    assert (tmp_path / "seed1.before-2/log.txt").read_text() == "second"
    assert not (tmp_path / "seed1").exists()


def test_unfinished_files_of_runs_further_down_are_left(tmp_path):
    ours, theirs = tmp_path / "prompt_learner/.a.part", tmp_path / "seed1/prompt_learner/.a.part"
    for file in (ours, theirs):
        file.parent.mkdir(parents=True)
        file.touch()
    (tmp_path / "seed1/.lock").touch()
    remove_unfinished(tmp_path)
    assert theirs.exists() and not ours.exists()
