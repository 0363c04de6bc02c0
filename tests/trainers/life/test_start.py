"""One process a folder, stops that can be gone on from, and errors that are one line."""

import errno
import fcntl
import os
import random
import signal

import numpy as np
import pytest
import torch

from tests.trainers.small_world import logits
from toolbox.errors import UserError
from trainers.base import PromptTrainer
from trainers.life.start import _in_one_line, _scheduler_may_stop, seed


def held_by_another_process(folder) -> tuple[int, int]:
    """Fork a process that holds the folder's lock until the pipe that is returned with its id is closed."""
    folder.mkdir(parents=True, exist_ok=True)
    (ready_end, ready), (done, done_end) = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        os.close(done_end)
        with (folder / ".lock").open("w") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            os.write(ready, b"x")
            os.read(done, 1)
        os._exit(0)
    os.read(ready_end, 1)
    return pid, done_end


def test_the_second_process_in_a_folder_is_refused(world):
    pid, pipe = held_by_another_process(world.root / "held")
    with pytest.raises(UserError, match=r"another process is at work in .*held; wait for it or choose another"):
        world.run("CoOp", "held")
    os.close(pipe)
    os.waitpid(pid, 0)
    assert (world.run("CoOp", "held", OPTIM__MAX_EPOCH=1) / "result.json").is_file()


def test_a_finished_run_is_left_alone_and_leftovers_are_cleared(world, capsys):
    folder = world.root / "twice"
    folder.mkdir()
    (folder / ".model-1.safetensors.abc.part").write_bytes(b"half")
    world.run("CoOp", "twice", OPTIM__MAX_EPOCH=1)
    assert not list(folder.rglob("*.part"))
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    world.run("CoOp", "twice", OPTIM__MAX_EPOCH=1)
    assert "nothing to do" in capsys.readouterr().out
    assert before == {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def test_sigterm_ends_with_143():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end, _scheduler_may_stop():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert end.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_swallowed_sigterm_still_ends_with_143(capsys):
    with pytest.raises(SystemExit) as end, _scheduler_may_stop():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        except SystemExit:
            pass  # as a destructor does
    assert end.value.code == 143
    assert capsys.readouterr().err.count("SIGTERM") == 1


def test_what_stopping_brings_about_does_not_hide_it():
    with pytest.raises(SystemExit) as end, _scheduler_may_stop():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        except SystemExit:
            raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.") from None
    assert end.value.code == 143


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_line(tmp_path, code):
    said = f"cannot write {tmp_path}/log.txt: .*; mend that, then start the same command"
    with pytest.raises(UserError, match=said), _in_one_line(tmp_path):
        raise OSError(code, os.strerror(code))


def test_what_goes_wrong_elsewhere_is_not_hidden(tmp_path):
    with pytest.raises(FileNotFoundError), _in_one_line(tmp_path):
        (tmp_path.parent / "nothing-there").read_text()
    with pytest.raises(RuntimeError, match="a fault of ours"), _in_one_line(tmp_path):
        raise RuntimeError("a fault of ours")


def test_a_killed_loading_process_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"a process that loads images .* was killed"), _in_one_line(tmp_path):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")


def test_seed_fixes_every_source():
    def numbers():
        seed(7)
        return random.random(), np.random.rand(), torch.rand(1).item()

    assert numbers() == numbers()


def test_kept_features_do_not_change_what_is_drawn(world):
    """CoOp validates on features that are kept in memory: a run that finds them there must end like one that does not."""
    from trainers.life import features

    ends = []
    for number in range(2):
        if number == 0:
            features._memory.clear()
        ends.append(world.run("CoOp", f"kept-{number}", TEST__FINAL_MODEL="best_val", DATALOADER__NUM_WORKERS=0))
    np.testing.assert_array_equal(logits(ends[0]), logits(ends[1]))


def test_a_loss_that_is_not_finite_stops_with_step_and_files(world, monkeypatch):
    step = PromptTrainer.forward_backward

    def spoilt(self, batch):
        if (self.epoch, self.batch_idx) == (1, 1):
            batch = {**batch, "img": batch["img"] * float("nan")}
        return step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(PromptTrainer, "forward_backward", spoilt)
        with pytest.raises(UserError, match=r"not finite at epoch 2, batch 2 \(files: .*train_.*\.png.*is kept"):
            world.run("CILMP", "nan")
    assert "Resume after epoch 1" in (world.run("CILMP", "nan") / "log.txt").read_text()


def test_parameters_that_are_not_finite_never_become_a_checkpoint(world, monkeypatch):
    step = PromptTrainer.forward_backward

    def spoilt(self, batch):
        summary = step(self, batch)
        if self.epoch == 1 and self.batch_idx + 1 == self.num_batches:
            next(self.model.parameters()).data.fill_(float("inf"))
        return summary

    with monkeypatch.context() as patch:
        patch.setattr(PromptTrainer, "forward_backward", spoilt)
        with pytest.raises(UserError, match=r"parameters are not finite after epoch 2 \(.*\); the last checkpoint"):
            world.run("CoOp", "inf")
    names = [file.name for file in (world.root / "inf" / "prompt_learner").iterdir()]
    assert "model.pth.tar-1" in names and "model.pth.tar-2" not in names
