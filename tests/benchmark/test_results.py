import json

import numpy as np
import pytest

from benchmark.results import read_predictions, read_results
from tests.benchmark.runs_on_disk import edit, write_run
from toolbox.errors import UserError


def test_runs_moved_aside_are_left_out_unless_named(tmp_path):
    write_run(tmp_path / "a/seed1", accuracy=0.5)
    write_run(tmp_path / "a/seed1.before-1", accuracy=0.25)
    (old,) = read_results([tmp_path / "a/seed1.before-1"])
    assert old.value("accuracy") == 25.0
    (found,) = read_results([tmp_path])
    assert found.value("accuracy") == 50.0
    assert found.value("balanced_accuracy") is None


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"status": "finished"}), "\xff"])
def test_broken_result_names_its_file(tmp_path, text):
    (tmp_path / "result.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"result\.json"):
        read_results([tmp_path])


def test_missing_folder(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        read_results([tmp_path / "nothing"])


def test_predictions_come_in_the_order_of_paths(tmp_path):
    write_run(tmp_path, accuracy=0.5, predictions=False)
    edit(tmp_path, classnames=["x", "y"], metrics={"accuracy": 50.0})
    logits = np.array([[1.0, 0.0], [0.0, 3.0], [2.0, 0.0]])
    np.savez(tmp_path / "predictions.npz", paths=np.array(["c", "a", "b"]), labels=np.array([0, 1, 1]), logits=logits)
    (result,) = read_results([tmp_path])
    found = read_predictions(result)
    assert found.paths.tolist() == ["a", "b", "c"]
    assert found.correct.tolist() == [1.0, 0.0, 1.0]
    assert found.probabilities[0] == pytest.approx([1 / (1 + np.e**3), np.e**3 / (1 + np.e**3)])


def test_pickled_predictions_are_refused(tmp_path):
    write_run(tmp_path, predictions=False)
    np.savez(tmp_path / "predictions.npz", paths=np.array([{"a": 1}], dtype=object), labels=[0], logits=[[1.0]])
    (result,) = read_results([tmp_path])
    with pytest.raises(UserError, match="predictions"):
        read_predictions(result)
