import json

import numpy as np
import pytest
from runs_on_disk import write_run

from benchmark import verify
from toolbox.errors import UserError


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run, and a stand-in for train.py that writes the same one again, changed as `again` says."""
    folder, again, words = tmp_path / "run", {}, []
    write_run(folder, "CoOp", 0.5, config="SEED: 1\n")

    def test_again(argv):
        words.extend(argv)
        output = argv[argv.index("--output-dir") + 1]
        write_run(type(folder)(output), "CoOp", **{"accuracy": 0.5, **again})

    monkeypatch.setattr("runs_on_disk.run", test_again)
    return folder, again, words


def test_the_same(run, capsys):
    folder, _, words = run
    assert verify.main([str(folder), "--runner", "runs_on_disk:run", "--root", "images"]) == 0
    assert capsys.readouterr().out == f"{folder}: the same\n"
    assert words[words.index("--model-dir") + 1] == str(folder)
    assert words[-2:] == ["--root", "images"]


def test_changed_weights_and_inputs_are_said(run, capsys):
    folder, again, _ = run
    again |= {"accuracy": 0.6, "backbone_hash": "c" * 64}
    assert verify.main([str(folder), "--runner", "runs_on_disk:run"]) == 1
    shown = capsys.readouterr().out
    assert "backbone weights: reported bbb" in shown
    assert "logits differ by up to 2" in shown
    assert "accuracy: reported 50.0000, now 60.0000" in shown


def test_a_figure_edited_by_hand_is_found(run, capsys):
    folder, _, _ = run
    path = folder / "result.json"
    data = json.loads(path.read_text())
    data["metrics"]["accuracy"] = 99.0
    path.write_text(json.dumps(data))
    assert verify.main([str(folder), "--runner", "runs_on_disk:run"]) == 1
    assert "accuracy: reported 99.0000, now 50.0000" in capsys.readouterr().out


def test_other_images(run):
    folder, _, _ = run
    with np.load(folder / "predictions.npz") as kept:
        arrays = dict(kept)
    arrays["paths"] = np.array([f"other{i:02}.png" for i in range(len(arrays["labels"]))])
    np.savez(folder / "predictions.npz", **arrays)
    assert verify.verify(folder, runner="runs_on_disk:run") == ["predictions are of other images or classes"]


def test_weights_of_a_run_that_only_tested_are_where_its_log_says(run):
    folder, _, words = run
    (folder / "log.txt").write_text("** Arguments **\nmodel_dir: trained/seed1\nno_train: False\n")
    verify.verify(folder, runner="runs_on_disk:run")
    assert words[words.index("--model-dir") + 1] == "trained/seed1"


def test_unfinished_run(tmp_path):
    with pytest.raises(UserError, match=r"no result\.json"):
        verify.main([str(tmp_path)])
