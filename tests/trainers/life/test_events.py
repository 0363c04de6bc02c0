"""TensorBoard's events on a disk that refuses them."""

import errno
import threading
import time

import pytest
from torch.utils.tensorboard import SummaryWriter

from toolbox.errors import UserError
from trainers.life.events import Events, quiet_thread


@pytest.fixture
def full_disk(tmp_path, monkeypatch, capfd):
    """A writer whose file cannot grow any more."""
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    quiet_thread()
    writer = SummaryWriter(str(tmp_path))
    record = writer._get_file_writer().event_writer._async_writer._writer

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(record, "write", refuse)
    monkeypatch.setattr(record, "flush", refuse)
    return Events(writer, tmp_path)


def test_one_line_names_the_file_and_no_thread_prints_a_traceback(full_disk, tmp_path, capfd):
    end = time.monotonic() + 60
    with pytest.raises(
        UserError, match=r"cannot write .*events\.out\.tfevents\..*: No space left on device; mend that"
    ):
        while time.monotonic() < end:
            full_disk.add_scalar("loss", 1.0, 1)
            time.sleep(0.01)
    assert capfd.readouterr().err == ""


def test_other_threads_still_say_what_is_wrong(full_disk, capfd):
    def fail() -> None:
        raise OSError("another")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert "OSError: another" in capfd.readouterr().err


def test_a_disk_with_room(tmp_path):
    events = Events(SummaryWriter(str(tmp_path)), tmp_path)
    events.add_scalar("loss", 1.0, 1)
    events.close()
    assert events.log_dir == str(tmp_path)
    assert [path.stat().st_size > 40 for path in tmp_path.glob("events.*")] == [True]
