import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark import page
from benchmark.execute import run_job
from benchmark.jobs import Job
from tests.benchmark.runs_on_disk import edit
from toolbox.cores import usable_cores
from toolbox.errors import UserError

HERE = Path(__file__).resolve().parent


def calls(tmp_path):
    path = tmp_path / "calls"
    return path.read_text().splitlines() if path.exists() else []


def table_of(tmp_path):
    return (tmp_path / "output/reports/base2new/phantom/benchmark/tables.csv").read_text()


def test_all_runs_are_made_and_the_table_printed(sweep, tmp_path, capsys):
    assert sweep() == 0
    assert len(calls(tmp_path)) == 12
    shown = capsys.readouterr()
    assert "12 of 12 runs to do" in shown.err
    assert all(name in shown.out for name in ("ZeroshotCLIP", "CoOp", "CILMP", "Harmonic mean", "output/base2new/"))


def test_second_time_nothing_is_run_and_the_table_is_the_same(sweep, tmp_path, capsys):
    sweep()
    first = capsys.readouterr().out
    assert sweep() == 0
    shown = capsys.readouterr()
    assert len(calls(tmp_path)) == 12
    assert "All 12 results exist" in shown.err
    assert shown.out == first


def test_failed_run_does_not_stop_the_others(sweep, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RUNS_FAIL", "CoOp")
    assert sweep() == 1
    shown = capsys.readouterr()
    assert shown.err.count("error: ValueError: loss is not a number (CoOp phantom base seed 1 and 1 more; log: ") == 1
    assert "CILMP" in shown.out
    assert "CoOp" not in shown.out
    trace = tmp_path / "output/base2new/train_base/phantom/shots_16/CoOp/small_clip/seed1/error.txt"
    assert "loss is not a number" in trace.read_text()
    monkeypatch.delenv("RUNS_FAIL")
    assert sweep() == 0
    assert len(calls(tmp_path)) == 10 + 4
    assert len(json.loads((trace.parent / "result.json").read_text())["classnames"]) == 4


def test_bad_input_is_told_once_and_the_rest_is_not_tried(sweep, tmp_path, capsys, monkeypatch):
    tried = []

    def fail(argv):
        tried.append(argv)
        raise UserError("base-to-new needs 4 classes or more")

    monkeypatch.setattr("tests.benchmark.runs_on_disk.run", fail)
    assert sweep() == 2
    shown = capsys.readouterr()
    assert shown.err.count("base-to-new needs 4 classes or more") == 1
    assert (shown.out, len(tried)) == ("", 2)


def test_table_of_what_there_is_where_the_one_method_failed(sweep, capsys, monkeypatch):
    monkeypatch.setenv("RUNS_FAIL", "CoOp")
    assert sweep(methods="ZeroshotCLIP CoOp") == 1
    shown = capsys.readouterr()
    assert "ZeroshotCLIP" in shown.out
    assert "--subject" not in shown.err


def test_other_settings_in_the_same_folder_are_refused(sweep, tmp_path):
    sweep()
    edit(tmp_path / "output/base2new/train_base/phantom/shots_16/CoOp/small_clip/seed1", backbone="ViT-B/32")
    with pytest.raises(
        UserError,
        match=r"CoOp/small_clip/seed1 holds another run: backbone was 'ViT-B/32' and is 'small_clip'; .*--again",
    ):
        sweep()
    with pytest.raises(
        UserError, match=r"holds another run: .*OPTIM\.LR.* \(and so do 11 more of 12 folders\); give --again"
    ):
        sweep("--opts", "OPTIM.LR", "9")


def test_again_makes_anew_what_differs_alone(sweep, tmp_path, capsys):
    sweep()
    folder = tmp_path / "output/base2new/train_base/phantom/shots_16/CoOp/small_clip/seed1"
    edit(folder, shots=4)
    (tmp_path / "output/base2new/train_base/phantom/shots_16/CILMP/small_clip/seed2/result.json").write_text("{")
    assert sweep("--again") == 0
    made = [Path(line).parts[-3:] for line in calls(tmp_path)[12:]]
    assert made == [("CoOp", "small_clip", "seed1"), ("CILMP", "small_clip", "seed2")]
    assert json.loads((folder.with_name("seed1.before-1") / "result.json").read_text())["shots"] == 4
    assert sweep("--again") == 0
    assert len(calls(tmp_path)) == 14


def test_more_cores_than_there_are_is_told(sweep, capsys):
    assert sweep("--cpus", "4096", methods="CoOp") == 0
    assert f"--cpus 4096: a run takes {usable_cores()} here, which is all there are." in capsys.readouterr().err


def test_watch_writes_the_page_as_runs_finish(sweep, tmp_path, capsys, monkeypatch):
    said, write = [], page.write_page

    def told(report, out, shown, unfinished=""):
        said.append(unfinished)
        return write(report, out, shown, unfinished)

    monkeypatch.setattr(page, "write_page", told)
    monkeypatch.setattr("benchmark.unfinished.SHARE", 1e9)  # after every run
    monkeypatch.setenv("RUNS_FAIL", "CoOp")
    assert sweep("--watch") == 1
    assert said[0] == "1 of 12 runs so far." and said[-1] == ""
    assert said[6] == "7 of 12 runs so far. Failed: CoOp phantom base seed 1, CoOp phantom new seed 1."
    written = tmp_path / "output/reports/base2new/phantom/benchmark/report.html"
    assert f"Page, as runs finish: {written.relative_to(tmp_path)}" in capsys.readouterr().err
    assert "http-equiv" not in written.read_text()


def test_pictures_that_cannot_be_are_refused_before_the_first_run(sweep, tmp_path):
    with pytest.raises(UserError, match="--heat-maps stand beside images"):
        sweep("--page", "--heat-maps", "--no-images")
    assert calls(tmp_path) == []


def test_dry_run_prints_commands_only(sweep, tmp_path, capsys):
    assert sweep("--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert all(line.startswith(f"python {HERE.parents[1]}/train.py --root data --seed ") for line in lines)
    assert calls(tmp_path) == []


def test_options_reach_every_run(sweep, capsys):
    sweep("--dry-run", "--opts", "OPTIM.MAX_EPOCH", "3")
    assert all(line.endswith("OPTIM.MAX_EPOCH 3") for line in capsys.readouterr().out.splitlines())


def test_two_workers_make_the_same_table(sweep, tmp_path):
    sweep()
    first = table_of(tmp_path)
    assert sweep("--output", "other", "--workers", "2") == 0
    other = (tmp_path / "other/reports/base2new/phantom/benchmark/tables.csv").read_text()
    assert other == first


def test_killed_sweep_goes_on_and_ends_with_the_same_table(sweep, tmp_path, configs):
    sweep()
    first = table_of(tmp_path)
    words = ["-m", "benchmark.run", "base2new", "--methods", "ZeroshotCLIP", "CoOp", "CILMP", "--seeds", "1", "2"]
    words += ["--configs", str(configs), "--runner", "tests.benchmark.runs_on_disk:run", "--output", "killed"]
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(list(Path("killed").rglob("result.json"))) < 3:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 3 <= len(list(Path("killed").rglob("result.json"))) <= 12
    assert sweep("--output", "killed") == 0
    assert (tmp_path / "killed/reports/base2new/phantom/benchmark/tables.csv").read_text() == first


def test_submitit_runs_the_same_table(sweep, tmp_path):
    pytest.importorskip("submitit")
    assert sweep("--engine", "slurm", "--cluster", "debug", methods="ZeroshotCLIP CoOp") == 0
    by_slurm = table_of_one(tmp_path, "output")
    assert sweep("--output", "plain", methods="ZeroshotCLIP CoOp") == 0
    assert table_of_one(tmp_path, "plain") == by_slurm


def test_ray_runs_the_same_table(sweep, tmp_path):
    pytest.importorskip("ray")
    assert sweep("--engine", "ray", "--workers", "2", methods="ZeroshotCLIP CoOp") == 0
    by_ray = table_of_one(tmp_path, "output")
    assert sweep("--output", "plain", methods="ZeroshotCLIP CoOp") == 0
    assert table_of_one(tmp_path, "plain") == by_ray


def table_of_one(tmp_path, output):
    return (tmp_path / output / "reports/base2new/phantom/CoOp/tables.csv").read_text()


@pytest.mark.parametrize(("engine", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_missing_engine_says_what_to_install(sweep, monkeypatch, engine, package):
    monkeypatch.setitem(sys.modules, package, None)  # makes its import fail
    with pytest.raises(UserError, match=f"pip install {package}"):
        sweep("--engine", engine)


def job(tmp_path):
    return Job("CoOp", "phantom", "all", 16, 1, "small_clip", "small_clip", tmp_path / "out", ("--seed", "x"))


@pytest.mark.parametrize(
    ("raised", "message", "user_error"),
    [
        (UserError("no rows for neutrophil"), "no rows for neutrophil", True),
        (SystemExit(2), "it left with exit code 2", True),
        (ValueError("bad"), "ValueError: bad", False),
    ],
)
def test_outcome_of_what_a_run_raises(tmp_path, monkeypatch, raised, message, user_error):
    def fail(argv):
        raise raised

    monkeypatch.setattr("tests.benchmark.runs_on_disk.run", fail)
    outcome = run_job(job(tmp_path), "tests.benchmark.runs_on_disk:run")
    assert (outcome.state, outcome.message, outcome.user_error) == ("failed", message, user_error)


def test_a_scheduler_that_stops_a_run_stops_the_sweep(tmp_path, monkeypatch):
    def stop(argv):
        raise SystemExit(143)

    monkeypatch.setattr("tests.benchmark.runs_on_disk.run", stop)
    with pytest.raises(SystemExit):
        run_job(job(tmp_path), "tests.benchmark.runs_on_disk:run")


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux can start the count anew")
def test_peak_memory_is_a_run_s_own(tmp_path, monkeypatch):
    peak = {}
    ballast = bytearray(150_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    del ballast
    monkeypatch.setattr(
        "tests.benchmark.runs_on_disk.run",
        lambda argv: peak.update(kb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss),
    )
    run_job(job(tmp_path), "tests.benchmark.runs_on_disk:run")
    assert peak["kb"] < before - 100_000


def test_run_that_writes_nothing_has_failed(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.benchmark.runs_on_disk.run", lambda argv: None)
    outcome = run_job(job(tmp_path), "tests.benchmark.runs_on_disk:run")
    assert outcome.state == "failed"
    assert "without writing" in outcome.message
