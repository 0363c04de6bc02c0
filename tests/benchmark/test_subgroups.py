"""benchmark.subgroups: each metric of each group, its interval, the largest gap, and silence about small groups."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmark import subgroups
from benchmark.subgroups import interval, main
from tests.benchmark.runs_on_disk import write_run
from toolbox.errors import UserError
from toolbox.run_files import read_predictions


@pytest.fixture
def table(tmp_path):
    """Writes a run and a table by a function of (number, whether it is right), and returns the command's words."""

    def make(row, head: str = "file,site") -> list[str]:
        result = write_run(tmp_path / "run", accuracy=0.5)
        kept = read_predictions(tmp_path / "run", len(result["classnames"]))
        lines = [
            row(str(path), int(n), bool(right))
            for n, (path, right) in enumerate(zip(kept.paths, kept.correct, strict=True))
        ]
        (tmp_path / "groups.csv").write_text("\n".join([head, *filter(None, lines)]) + "\n")
        return [str(tmp_path / "run"), "--table", str(tmp_path / "groups.csv")]

    return make


def test_groups_with_intervals_and_the_largest_gap(table, capsys):
    words = table(
        lambda path, n, right: f"{path},{'good' if right else 'bad'},{'tiny' if n < 3 else 'large'}", "file,site,device"
    )
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "site: 2 groups of 20 images or more" in out
    assert "100.0 (100.0 to 100.0)" in out and "0.0 (0.0 to 0.0)" in out
    assert "Accuracy: largest gap 100.0 points, good 100.0 and bad 0.0" in out
    assert "nothing is said of groups of fewer than 20: tiny (3)" in out


def test_images_are_found_by_name_and_stem_and_columns_can_be_chosen(table, capsys):
    words = table(lambda path, n, right: f"{path.rsplit('/')[-1].split('.')[0]},{'ab'[n % 2]},x", "image_id,sex,device")
    assert main([*words, "--columns", "SEX"]) == 0
    out = capsys.readouterr().out
    assert "sex: 2 groups" in out and "device" not in out


@pytest.mark.parametrize(
    "row, message",
    [
        (lambda path, n, right: f"{path},a" if n else "", r"has no row for 1 of \d+ test images, first"),
        (lambda path, n, right: f"{path},a\n{path},b", "2 rows are called"),
    ],
)
def test_tables_that_do_not_fit_are_refused(table, row, message):
    with pytest.raises(UserError, match=message):
        main(table(row))


def test_intervals_hold_the_value_and_shrink_with_images():
    rng = np.random.default_rng(0)
    right = rng.random(2000) < 0.7
    value, low, high = interval(lambda at: float(right[at].mean()), np.arange(2000))
    _, lower, higher = interval(lambda at: float(right[at].mean()), np.arange(50))
    assert low < value < high and high - low < (higher - lower) / 3
    assert interval(lambda at: None, np.arange(30))[0] is None


def test_images_that_are_drawn_again_are_measured_once(monkeypatch):
    import trainers.life.metrics as metrics

    calls, evaluate = [], metrics.evaluate
    monkeypatch.setattr(metrics, "evaluate", lambda *inputs: calls.append(1) or evaluate(*inputs))
    monkeypatch.setattr(subgroups, "RESAMPLES", 20)
    rng = np.random.default_rng(0)
    kept = SimpleNamespace(logits=rng.normal(size=(40, 3)), labels=rng.integers(0, 3, 40))
    found = subgroups.intervals(kept, ["a", "b", "c"])
    assert len(calls) == 21 and list(found) == list(subgroups.SHOWN)
    for name, (value, low, high) in found.items():
        alone = interval(
            lambda at, name=name: evaluate(kept.logits[at], kept.labels[at], list("abc"))[name], np.arange(40)
        )
        assert (value, low, high) == alone and low < high
