"""How a sweep shares out a machine, and what a Slurm controller without accounting says."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmark.engines import queue, share, slurm


@pytest.mark.parametrize(
    ("chains", "engine", "asked", "threads"),
    [
        (1, "local", "", 8),
        (3, "local", "", 2),
        (20, "local", "", 1),
        (1, "ray", "", 1),
        (1, "slurm", "4", 4),
        (1, "local", "64", 8),
    ],
)
def test_threads_do_not_depend_on_workers(monkeypatch, chains, engine, asked, threads):
    monkeypatch.setattr(share, "usable_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert share.threads_of(chains, engine) == threads


@pytest.mark.parametrize(
    ("chains", "threads", "gigabytes", "workers"),
    [(9, 1, 100, 8), (9, 2, 100, 4), (2, 1, 100, 2), (9, 1, 5, 2), (9, 1, 1, 1)],
)
def test_as_many_workers_as_there_are_cores_and_memory_for(monkeypatch, chains, threads, gigabytes, workers):
    monkeypatch.setattr(share, "usable_cores", lambda: 8)
    monkeypatch.setattr(share, "free_memory", lambda: gigabytes << 30)
    monkeypatch.setattr(share, "NVIDIA", Path("/nowhere"))
    assert share.workers_of(chains, threads, "local") == workers


def test_one_worker_where_runs_would_share_a_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(share, "NVIDIA", tmp_path)
    assert share.workers_of(9, 1, "local") == 1


class Element:
    """One of submitit's jobs, as far as the queue asks."""

    def __init__(self, number: int, folder: Path) -> None:
        self.job_id, self.paths = f"7_{number}", SimpleNamespace(result_pickle=folder / str(number))


def test_an_element_that_is_over_without_a_result_has_ended_after_a_while(monkeypatch, tmp_path):
    states = "ArrayTaskId=0 JobState=CANCELLED Reason=None\nArrayTaskId=1 JobState=RUNNING Reason=None\n"
    states += "ArrayTaskId=2 JobState=COMPLETED Reason=None"
    monkeypatch.setattr(queue, "_call", lambda *_: SimpleNamespace(returncode=0, stdout=states, stderr=""))
    now = [0.0]
    monkeypatch.setattr(queue, "time", SimpleNamespace(monotonic=lambda: now[0]))
    cancelled, running, done, unknown = elements = [Element(n, tmp_path) for n in range(4)]
    done.paths.result_pickle.touch()
    watched = queue.Queue("7")
    assert watched.ended(elements) == {done: ""}
    now[0] = queue.GRACE_S + 1
    assert watched.ended(elements) == {done: "", cancelled: "CANCELLED", unknown: queue.GONE}
    monkeypatch.setattr(queue, "_call", lambda *_: SimpleNamespace(returncode=1, stdout="", stderr="no answer"))
    assert queue.Queue("7").ended([running]) == {}


def test_the_reason_is_the_error_and_not_where_logs_are():
    told = """Job (task=0) failed during processing with trace:
----------------------
Traceback (most recent call last):
  File "utils.py", line 232, in pickle_load
    return pickle.load(file)
ModuleNotFoundError: No module named 'benchmark'

----------------------
You can check full logs with 'job.stderr(0)' and 'job.stdout(0)'or at paths:
  - /a/13_0_log.err
  - /a/13_0_log.out"""
    assert slurm._reason(told) == "ModuleNotFoundError: No module named 'benchmark'"
    assert slurm._reason("the node is down\n") == "the node is down"
