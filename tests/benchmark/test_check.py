"""Finished runs beside stated figures: met, not met, not run, and plans that state nonsense."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.check import MET, NOT_MET, NOT_RUN, check, show
from benchmark.configs import Configs
from benchmark.plan import read_plan
from benchmark.protocols import jobs_of
from benchmark.run import main
from tests.benchmark import runs_on_disk
from toolbox.errors import UserError
from toolbox.run_files import read_result

RUNNER = "tests.benchmark.runs_on_disk:run"
PAPER = Path(__file__).resolve().parents[2] / "benchmark/plans/paper"


def made(tmp_path, configs, text, **accuracies):
    """The plan of this text and its jobs; runs named METHOD_SEED_SUBSET are made, with that accuracy."""
    path = tmp_path / "plan.yaml"
    path.write_text(f"seeds: [1, 2]\noutput: {tmp_path / 'output'}\n{text}")
    plan = read_plan(path)
    jobs = jobs_of(plan, Configs(configs))
    for job in jobs:
        accuracy = accuracies.get(f"{job.method}_{job.seed}_{job.subset}")
        if accuracy is not None:
            runs_on_disk.run(list(job.argv))
            result = read_result(job.output)
            runs_on_disk.edit(job.output, metrics={**result["metrics"], "accuracy": accuracy})
    return plan, jobs


FULL = "protocol: full\nmethods: [CoOp, CILMP]\nstated:\n  source: here\n  tolerance: 1.0\n  figures:\n"


def states(plan, jobs):
    return [verdict.state for verdict in check(plan, jobs, RUNNER)]


def test_met_not_met_and_not_run(tmp_path, configs):
    text = (
        FULL
        + "    - {method: CoOp, value: 71.0}\n    - {method: CoOp, value: 71.1}\n    - {method: CILMP, value: 90}\n"
    )
    plan, jobs = made(tmp_path, configs, text, CoOp_1_all=69.0, CoOp_2_all=71.0, CILMP_1_all=90.0)
    verdicts = check(plan, jobs, RUNNER)
    assert [v.state for v in verdicts] == [MET, NOT_MET, NOT_RUN]  # 1.0 away is within 1.0, and one seed of two is none
    assert verdicts[0].ours == 70.0 and verdicts[0].spread == pytest.approx(2**0.5)
    assert "seed2 is not there" in verdicts[2].reason and verdicts[2].ours is None


def test_exit_code_is_0_only_if_all_are_met(tmp_path, configs):
    one = "    - {method: CoOp, value: 70}\n"
    plan, jobs = made(tmp_path, configs, FULL + one, CoOp_1_all=70.0, CoOp_2_all=70.0)
    assert show(plan, check(plan, jobs, RUNNER), Console(file=io.StringIO())) == 0
    plan, jobs = made(tmp_path, configs, FULL + one + "    - {method: CILMP, value: 70}\n")
    assert states(plan, jobs) == [MET, NOT_RUN]
    assert show(plan, check(plan, jobs, RUNNER), Console(file=io.StringIO())) == 1


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ("data: {phantom: {classes: 5}}", "has 4 classes and the figures are of 5"),
        ("data: {phantom: {test: 41}}", "tested 40 images of phantom and the figures are of 41"),
        ("rows: meta-llama/Meta-Llama-3-8B", "has rows of MiniLM and the figures are of meta-llama/Meta-Llama-3-8B"),
    ],
)
def test_other_data_or_rows_are_not_run(tmp_path, configs, stated, says):
    text = f"{FULL}    - {{method: CoOp, value: 70}}\n  {stated}\n"
    plan, jobs = made(tmp_path, configs, text, CoOp_1_all=70.0, CoOp_2_all=70.0)
    for job in jobs:
        if job.output.exists():
            runs_on_disk.edit(job.output, rows={"kind": "real", "file": "f", "sha256": "s", "model": "MiniLM"})
    (verdict,) = check(plan, jobs, RUNNER)
    assert verdict.state == NOT_RUN and says in verdict.reason


def test_other_settings_are_not_run(tmp_path, configs):
    plan, jobs = made(tmp_path, configs, f"{FULL}    - {{method: CoOp, value: 70}}\n", CoOp_1_all=70.0, CoOp_2_all=70.0)
    assert states(plan, jobs) == [MET]
    (changed, *_) = (job for job in jobs if job.method == "CoOp")
    runs_on_disk.edit(changed.output, shots=16)
    (verdict,) = check(plan, jobs, RUNNER)
    assert verdict.state == NOT_RUN and "holds another run: shots was 16 and is -1" in verdict.reason


def test_a_damaged_result_is_not_run(tmp_path, configs):
    plan, jobs = made(tmp_path, configs, f"{FULL}    - {{method: CoOp, value: 70}}\n", CoOp_1_all=70.0, CoOp_2_all=70.0)
    (jobs[0].output / "result.json").write_text("{}")
    assert states(plan, jobs) == [NOT_RUN]


def test_both_averages_of_base_and_new(tmp_path, configs):
    text = (
        "protocol: base2new\nmethods: CoOp\nshots: 16\nstated:\n  source: here\n  tolerance: 0.01\n  figures:\n"
        "    - {method: CoOp, side: base, value: 60}\n    - {method: CoOp, side: new, value: 50}\n"
        "    - {method: CoOp, side: mean of HMs, value: 51.43}\n    - {method: CoOp, side: HM of means, value: 54.55}\n"
    )
    known = {"CoOp_1_base": 80.0, "CoOp_1_new": 40.0, "CoOp_2_base": 40.0, "CoOp_2_new": 60.0}
    plan, jobs = made(tmp_path, configs, text, **known)
    assert [round(v.ours, 2) for v in check(plan, jobs, RUNNER)] == [60.0, 50.0, 50.67, 54.55]
    assert states(plan, jobs) == [MET, MET, NOT_MET, MET]


def test_the_mean_of_data_sets_needs_all_of_them_and_its_own_shots(tmp_path, configs):
    text = (
        "protocol: few_shot\nmethods: CoOp\ndatasets: [phantom, kvasir]\nshots: [1, 2]\nstated:\n  source: here\n"
        "  tolerance: 0.5\n  figures:\n    - {method: CoOp, shots: 1, value: 70}\n    - {method: CoOp, shots: 2, value: 70}\n"
    )
    plan, jobs = made(tmp_path, configs, text, CoOp_1_all=70.0, CoOp_2_all=70.0)
    assert states(plan, jobs) == [MET, MET]
    for job in jobs:
        if (job.dataset, job.shots) == ("kvasir", 2):
            (job.output / "result.json").unlink()
    assert states(plan, jobs) == [MET, NOT_RUN]


def test_what_is_printed_fits_80_columns(tmp_path, configs):
    figures = "    - {method: CoOp, value: 70}\n    - {method: CILMP, metric: macro_f1, value: 70}\n"
    plan, jobs = made(tmp_path, configs, FULL + figures, CoOp_1_all=69.0, CoOp_2_all=70.0)
    out = io.StringIO()
    show(plan, check(plan, jobs, RUNNER), Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert lines[2] == f"{'CoOp, phantom, Accuracy':<43}   70.00  1.00    69.50±0.71  met"
    assert max(map(len, lines[:5])) <= 80 and "1 met, 0 not met, 1 not run of 2 figures" in lines


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("[1]", "stated must be KEY: VALUE"),
        ("{figures: [{method: CoOp, value: 1}]}", "needs a source"),
        ("{source: a, tolerance: 1}", "needs figures"),
        ("{source: a, tolerence: 1}", "unknown key 'tolerence' in stated; nearest: tolerance"),
        (
            "{source: a, tolerance: 1, figures: [{method: CoOp, vale: 1}]}",
            "unknown key 'vale' in figure 1; nearest: value",
        ),
        ("{source: a, figures: [{method: CoOp, value: 1}]}", "figure 1, tolerance must be a number"),
        ("{source: a, tolerance: -1, figures: [{method: CoOp, value: 1}]}", "tolerance must not be below 0"),
        ("{source: a, tolerance: 1, figures: [{method: CoOp, value: .nan}]}", "value must be a number"),
        ("{source: a, tolerance: 1, figures: [{value: 1}]}", "figure 1 needs a method"),
        ("{source: a, tolerance: 1, figures: [{method: Coop, value: 1}]}", "names 'Coop'; nearest: CoOp"),
        ("{source: a, tolerance: 1, figures: [{method: CoOp, value: 1, metric: acc}]}", "names 'acc'"),
        ("{source: a, tolerance: 1, figures: [{method: CoOp, value: 1, side: base}]}", "names 'base'"),
        ("{source: a, tolerance: 1, figures: [{method: CoOp, value: 1, dataset: isic}]}", "names 'isic'"),
        ("{source: a, tolerance: 1, figures: [{method: CoOp, value: 1, dataset: [isic]}]}", "figure 1 needs a dataset"),
        ("{source: a, tolerance: 1, figures: [{method: CoOp, value: 1, shots: 4}]}", "names 4 shots"),
        ("{source: a, tolerance: 1, data: {isic: {test: 1}}, figures: [{method: CoOp, value: 1}]}", "data names isic"),
        ("{source: a, tolerance: 1, data: {phantom: {test: x}}, figures: [{method: CoOp, value: 1}]}", "whole number"),
    ],
)
def test_mistakes_in_what_is_stated(tmp_path, stated, message):
    path = tmp_path / "plan.yaml"
    path.write_text(f"protocol: full\nmethods: [CoOp]\nstated: {stated}\n")
    with pytest.raises(UserError, match=message):
        read_plan(path)


def test_a_plan_with_several_shots_says_which(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(
        "protocol: few_shot\nmethods: CoOp\nshots: [1, 2]\n"
        "stated: {source: a, tolerance: 1, figures: [{method: CoOp, value: 1}]}"
    )
    with pytest.raises(UserError, match="must say which of the plan's shots"):
        read_plan(path)


@pytest.mark.parametrize("plan", sorted(PAPER.glob("*.yaml")), ids=lambda path: path.stem)
def test_plans_of_papers_can_be_checked_and_nothing_is_met_before_it_is_run(plan, tmp_path, capsys):
    assert main([str(plan), "--check", "--output", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "0 met, 0 not met," in said and "Source: https://" in said and "GPU hours" in said


@pytest.mark.parametrize("words", [["--seeds", "1"], ["--again"], ["--opts", "OPTIM.LR", "1"]])
def test_another_plan_is_not_compared(words):
    with pytest.raises(UserError, match=f"as it stands: leave out {words[0]}"):
        main([str(PAPER / "cilmp-kvasir.yaml"), "--check", *words])


def test_a_protocol_states_no_figures():
    with pytest.raises(UserError, match="states no figures"):
        main(["base2new", "--check"])
