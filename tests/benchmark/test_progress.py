"""The live view of a sweep: what it reads from the folders of runs, and what it shows."""

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from benchmark.execute import Outcome
from benchmark.jobs import Job
from benchmark.progress import Live, table
from benchmark.watching import Watch
from tests.benchmark.runs_on_disk import write_run
from tests.benchmark.test_terminal import COLOUR

ROOT = Path(__file__).resolve().parents[2]
LINE = "epoch [{}/20] batch [{}/16] time 0.1 (0.1) data 0.0 (0.0) loss {} (0.9) acc 50.0 (50.0) lr 2e-3 eta 0:01\n"


@pytest.fixture
def jobs(tmp_path):
    """Two methods, two seeds, on base and new."""

    def job(method: str, seed: int, subset: str) -> Job:
        folder = tmp_path / method / subset / f"seed{seed}"
        after = tmp_path / method / "base" / f"seed{seed}" if subset == "new" else None
        return Job(method, "phantom", subset, 4, seed, "small_clip", "small_clip", folder, (), after)

    return [job(m, seed, subset) for m in ("CoOp", "CILMP") for seed in (1, 2) for subset in ("base", "new")]


def write(job: Job, accuracy: float) -> None:
    write_run(job.output, job.method, accuracy, seed=job.seed, subset=job.subset)


def shown(states, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(table(states))
    return console.file.getvalue()


def test_states_are_read_from_the_folders(jobs):
    first, second, third = jobs[:3]
    write(first, 0.8)
    watch = Watch(jobs, jobs[1:])
    write(second, 0.4)  # its engine has not told of it yet
    third.output.mkdir(parents=True)
    (third.output / "log.txt").write_text(LINE.format(1, 16, 1.5) + LINE.format(5, 8, 0.75) + "half a li")
    states = watch.look()
    assert [s.state for s in states] == ["done", "done", "running", *["waiting"] * 5]
    assert [s.accuracy for s in states[:3]] == [80.0, 40.0, None]
    assert (states[2].said, states[2].share) == ("epoch 5/20, loss 0.75", (4 + 0.5) / 20)
    lines = shown(states).splitlines()
    assert [line.split() for line in lines if "CoOp" in line] == [
        ["CoOp", "80.0", "(1/2,", "1", "at", "work)", "40.0", "(1/2)"]
    ]
    assert all(len(line) <= 80 for line in lines)


def test_looking_takes_little_of_the_time(jobs, monkeypatch):
    looked, now = [], [0.0]

    def read(self, state):
        looked.append(state.job)
        now[0] += 0.1

    monkeypatch.setattr(Watch, "_read", read)
    monkeypatch.setattr("benchmark.watching.time", SimpleNamespace(time=time.time, monotonic=lambda: now[0]))
    watch = Watch(jobs, jobs)
    for _ in range(200):
        watch.look()
        now[0] += 0.1
    assert len(looked) == 2 * len(jobs)  # 0.8 s of looking, and again 16 s later


def test_what_was_there_before_is_not_this_sweep_s(jobs):
    write(jobs[0], 0.8)
    (jobs[0].output / "log.txt").write_text(LINE.format(5, 8, 0.75))
    for path in jobs[0].output.iterdir():
        os.utime(path, (time.time() - 60,) * 2)
    watch = Watch(jobs, jobs)  # it is to be made again
    assert {s.state for s in watch.look()} == {"waiting"}


def test_time_left_is_that_of_runs_like_those_that_wait(jobs):
    watch = Watch(jobs, jobs, workers=2)
    assert watch.seconds_left() is None
    watch.ended(Outcome(jobs[0], "done", 30.0))
    assert watch.seconds_left() is None  # no test's time is known
    watch.ended(Outcome(jobs[1], "done", 2.0))
    watch.ended(Outcome(jobs[4], "done", 90.0))
    # CoOp's other seed: 30 + 2; CILMP: its first test, its second seed's training and test.
    assert watch.seconds_left() == (30 + 2 + 2 + 90 + 2) / 2


def test_failures_are_counted(jobs):
    watch = Watch(jobs, jobs)
    said = io.StringIO()
    live = Live(watch, len(jobs), Console(file=said))
    list(live.follow([Outcome(jobs[0], "failed", message="ValueError: bad"), Outcome(jobs[2], "done", 1.5)]))
    assert said.getvalue().splitlines() == [
        "[1/8] FAILED CoOp phantom base seed 1: ValueError: bad",
        "[2/8] CoOp phantom base seed 2: 1.5 s",
    ]
    assert "1 failed" in shown(watch.look())


def test_many_kinds_of_test_share_a_column(tmp_path):
    jobs = [Job("CoOp", f"data{n}", "all", 4, 1, "small_clip", "small_clip", tmp_path / str(n), ()) for n in range(12)]
    text = shown(Watch(jobs, jobs).look())
    assert "0/12" in text and "data" not in text


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_terminal_shows_the_table_while_runs_are_made(configs, tmp_path):
    reader, terminal = os.openpty()
    words = ["few_shot", "--methods", "CoOp", "ZeroshotCLIP", "--seeds", "1", "2", "--configs", str(configs)]
    words += ["--runner", "tests.benchmark.runs_on_disk:run", "--workers", "1"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "80"}
    command = [sys.executable, "-m", "benchmark.run", *words]
    sweep = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=terminal)
    os.close(terminal)
    said = b""
    while True:
        try:
            said += os.read(reader, 65536)
        except OSError:  # the sweep has closed it
            break
    os.close(reader)
    assert sweep.wait() == 0
    text = said.decode()
    assert "0/2" in text and re.search(r"[0-4]/4 runs, 0:\d\d so far", text)
    assert text.count("[4/4]") == 1
    assert not COLOUR.search(text)
