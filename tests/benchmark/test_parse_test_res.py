import pytest

import parse_test_res
from tests.benchmark.runs_on_disk import edit, write_run
from toolbox.errors import UserError


@pytest.fixture
def experiment(tmp_path):
    folder = tmp_path / "CoOp/small_clip"
    for seed, accuracy in ((1, 0.5), (2, 0.7), (10, 0.6)):
        write_run(folder / f"seed{seed}", accuracy=accuracy, seed=seed)
    return folder


def test_average_over_seeds(experiment, capsys):
    assert parse_test_res.main([str(experiment), "--test-log"]) == 0
    shown = capsys.readouterr().out
    assert "* accuracy: 60.00% +- 8.16%" in shown
    assert shown.index("seed2.") < shown.index("seed10.")


def test_interval_and_keyword(experiment, capsys):
    parse_test_res.main([str(experiment), "--ci95", "--keyword", "macro_f1"])
    assert "* macro_f1: 59.00% +- 9.24%" in capsys.readouterr().out  # 1.96 * 8.165 / sqrt(3)


def test_logs_alone_are_enough(experiment, capsys):
    for path in experiment.rglob("result.json"):
        path.unlink()
    parse_test_res.main([str(experiment.parent), "--multi-exp"])
    assert "Average performance of 1 experiments:\n* accuracy: 60.00%" in capsys.readouterr().out


def test_a_metric_that_means_nothing_is_a_dash(experiment, capsys):
    edit(experiment / "seed2", metrics={"auc": None, "undefined": {"auc": "one class"}})
    parse_test_res.main([str(experiment), "--keyword", "auc"])
    shown = capsys.readouterr().out
    assert "seed2. auc: - (one class)" in shown and "* auc: 77.50% +- 2.50%" in shown  # of 75 and 80
    for seed in (1, 10):
        edit(experiment / f"seed{seed}", metrics={"auc": None, "undefined": {"auc": "one class"}})
    parse_test_res.main([str(experiment.parent), "--multi-exp", "--keyword", "auc"])
    assert "Average performance of 0 experiments:\n* auc: -" in capsys.readouterr().out


def test_wrong_folder(experiment, tmp_path):
    with pytest.raises(UserError, match="--multi-exp"):
        parse_test_res.main([str(experiment.parent)])
    with pytest.raises(UserError, match="is not a folder"):
        parse_test_res.main([str(tmp_path / "none")])
