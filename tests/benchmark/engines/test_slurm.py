"""What a real Slurm does to a sweep. Skipped where its daemons are not installed, or the tests do not run as root."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.engines import EngineOptions, slurm
from benchmark.execute import Outcome
from benchmark.jobs import Job
from benchmark.stopping import STOPPED
from tests.benchmark.engines.waiting import PATIENCE_S, RUNS, job, until, when_at_work


def outcomes(folder: Path, chains: list[list[Job]], runner: str = "interrupted", **changes) -> list[Outcome]:
    """Of the chains, as an array on the real Slurm."""
    options = replace(EngineOptions(workers=2, folder=folder / "slurm", memory_gb=0.5, minutes=5), **changes)
    return list(slurm.run(chains, RUNS + runner, options))


def command(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def queued() -> list[str]:
    """Numbers of the arrays that Slurm has not finished."""
    return command("squeue", "-h", "-o", "%F").split()


def cancel() -> None:
    command("scancel", f"{queued()[0]}_0")


def preempt() -> None:
    command("sbatch", "--partition", "high", "--exclusive", "--output", "/dev/null", "--wrap", "sleep 3")


def leave() -> None:
    """The run itself will do the harm."""


def hurry() -> None:
    """Slurm lets an element that it queued again wait for two minutes before it begins; a node needs a second to forget it."""
    until(waiting_for_time)
    command("scontrol", "update", f"JobId={waiting_for_time()[0]}", "StartTime=now+5")


def waiting_for_time() -> list[str]:
    lines = command("squeue", "-h", "-o", "%F %r").splitlines()
    return [line.split()[0] for line in lines if line.endswith("BeginTime")]


@pytest.mark.parametrize(
    ("harm", "runner", "state"),
    [
        (cancel, "interrupted", "CANCELLED"),
        (preempt, "interrupted", "PREEMPTED"),
        (leave, "grow", "exceeded memory limit"),
    ],
)
def test_what_ends_an_element_fails_it_alone_and_the_same_call_goes_on(cluster, tmp_path, harm, runner, state):
    lost, done = [job(tmp_path / "lost")], [job(tmp_path / "done")]
    (tmp_path / "done").mkdir()
    (tmp_path / "done/pid").touch()  # it is not this run's first time
    when_at_work(tmp_path / "lost", harm)
    found = {o.job.output.name: o for o in outcomes(tmp_path, [lost, done], runner)}
    assert (found["done"].state, found["lost"].state) == ("done", "failed")
    assert state in found["lost"].message
    assert found["lost"].log.exists()
    again = {o.job.output.name: o.state for o in outcomes(tmp_path, [lost, done], runner)}
    assert again == {"done": "skipped", "lost": "done"}


# Slurm may warn of the end a minute early: with a limit of one minute that is before Python has begun.
@pytest.mark.parametrize(("harm", "changes"), [(leave, {"minutes": 2}), (preempt, {"partition": "patient"})])
def test_an_element_that_is_queued_again_goes_on_by_itself(cluster, tmp_path, harm, changes):
    when_at_work(tmp_path / "late", lambda: (harm(), hurry()))
    found = outcomes(tmp_path, [[job(tmp_path / "late")]], **changes)
    assert [(o.state, o.message) for o in found] == [("done", "")]


def test_an_element_goes_on_by_itself_when_its_lost_node_is_back(cluster, tmp_path):
    def lose_the_node_for_a_while() -> None:
        command("pkill", "--signal", "KILL", "--pidfile", str(cluster / "slurmd.pid"))
        until(lambda: "down" in command("sinfo", "-h", "-o", "%T"))
        command("slurmd")
        hurry()

    when_at_work(tmp_path / "lost", lose_the_node_for_a_while)
    assert [o.state for o in outcomes(tmp_path, [[job(tmp_path / "lost")]])] == ["done"]


def test_workers_find_the_program_from_anywhere(cluster, tmp_path, monkeypatch):
    """As where it is installed: it lies neither in the folder that the sweep was started in nor on PYTHONPATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH")
    assert [o.state for o in outcomes(tmp_path, [[job(tmp_path / "run")]], "run")] == ["done"]


def test_a_sweep_that_is_stopped_cancels_its_array(cluster, tmp_path, configs):
    words = ["few_shot", "--methods", "CoOp", "--seeds", "1", "2", "--configs", str(configs), "--workers", "1"]
    words += ["--runner", RUNS + "wait", "--engine", "slurm", "--memory", "0.5"]
    sweep = subprocess.Popen([sys.executable, "-m", "benchmark.run", *words], cwd=tmp_path, env=dict(os.environ))
    assert until(lambda: list(tmp_path.rglob("pid")))
    assert queued()
    sweep.send_signal(signal.SIGTERM)
    assert sweep.wait(PATIENCE_S) == STOPPED
    assert until(lambda: not queued())


def test_the_table_is_that_of_one_process(cluster, sweep, tmp_path):
    assert sweep("--engine", "slurm", "--workers", "2", "--memory", "0.5") == 0
    assert sweep("--output", "plain") == 0
    tables = [tmp_path / name / "reports/base2new/phantom/benchmark/tables.csv" for name in ("output", "plain")]
    assert tables[0].read_text() == tables[1].read_text()
