"""A sweep that is told to stop, or killed, leaves no process behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.stopping import LINE, STOPPED
from tests.benchmark.engines.waiting import until

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 120.0


@pytest.fixture
def start(configs, tmp_path):
    """Start a sweep of two runs that do not end, on so many workers; returns it and the ids of those at work on the runs."""
    started = []

    def begin(workers: int, *words: str) -> tuple[subprocess.Popen, set[int]]:
        command = [sys.executable, "-m", "benchmark.run", "few_shot", "--methods", "CoOp", "--seeds", "1", "2"]
        command += ["--configs", str(configs), "--runner", "tests.benchmark.runs_on_disk:wait", *words]
        command += ["--workers", str(workers)]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
        started.append(process)
        until(lambda: len(list(tmp_path.rglob("pid"))) == workers or process.poll() is not None)
        found = list(tmp_path.rglob("pid"))
        assert found, process.communicate()[1]
        return process, {int(path.read_text()) for path in found}

    yield begin
    for process in started:
        process.kill()
        process.wait()


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_is_one_line_and_143(start, workers):
    process, at_work = start(workers)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == STOPPED
    assert [line for line in said.splitlines() if "runs to do" not in line] == [LINE]
    assert all(map(gone, at_work))


def test_workers_die_with_a_sweep_that_is_killed(start):
    process, at_work = start(2)
    assert process.pid not in at_work
    process.kill()
    process.wait()
    assert until(lambda: all(map(gone, at_work)))


def test_what_a_sweep_started_through_others_ends_with_it():
    """`--cluster local`: submitit's processes are no children of the sweep."""
    sweep = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    work = f"""
import time
from benchmark.stopping import die_with
die_with({sweep.pid})
print("at work", flush=True)
time.sleep(600)
"""
    other = subprocess.Popen([sys.executable, "-c", work], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "at work\n"
        sweep.kill()
        sweep.wait()
        assert other.wait(LIMIT_S) == STOPPED
    finally:
        sweep.kill()
        other.kill()
