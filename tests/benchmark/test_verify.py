"""`python -m benchmark.verify` finds a run as it was, and names what is not."""

import json

import numpy as np
import pytest

from benchmark.verify import main
from tests.faults.world import build
from toolbox.errors import UserError
from toolbox.run_files import Predictions
from toolbox.seals import seal
from train import run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A world with a finished CoOp run in `out`."""
    world = build(tmp_path_factory.mktemp("world"))
    run(world.argv("CoOp", world.root / "out", "OPTIM.MAX_EPOCH", "1"))
    return world, world.root / "out"


def forge(folder, value):
    (folder / "result.json").write_text(json.dumps(seal(value)))


def test_a_run_is_the_same_again(finished, capsys):
    _, out = finished
    assert main([str(out)]) == 0
    assert "the same; accuracy" in capsys.readouterr().out


def test_an_evaluation_names_the_weights_it_tested(finished, capsys):
    world, out = finished
    flags = ("--eval-only", "--model-dir", str(out), "--load-epoch", "1")
    run(world.argv("CoOp", world.root / "again", flags=flags))
    assert json.loads((world.root / "again/result.json").read_text())["weights"]["folder"] == "../out"
    assert main([str(world.root / "again")]) == 0


def test_better_numbers_than_the_weights_give_are_found(finished, tmp_path, capsys):
    _, out = finished
    value = json.loads((out / "result.json").read_text())
    value["weights"] = {"folder": str(out), "epoch": 1}
    with np.load(out / "predictions.npz", allow_pickle=False) as file:
        arrays = dict(file)
    np.savez(tmp_path / "predictions.npz", **{**arrays, "logits": arrays["logits"] + 0.1})
    value["metrics"]["accuracy"] = 99.0
    with pytest.raises(UserError, match=r"predictions\.npz is of another run, damaged or edited"):
        forge(tmp_path, value)
        main([str(tmp_path)])
    value["predictions"] = Predictions(**np.load(tmp_path / "predictions.npz")).digest
    forge(tmp_path, value)
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "accuracy was 99.0000 and is" in said and "logits differ by up to 0.1" in said


def test_an_edited_result_is_refused(finished, tmp_path):
    value = json.loads((finished[1] / "result.json").read_text())
    value["metrics"]["accuracy"] += 1
    (tmp_path / "result.json").write_text(json.dumps(value))
    with pytest.raises(UserError, match=r"result\.json is not as it was written"):
        main([str(tmp_path)])


def test_no_run(tmp_path):
    with pytest.raises(UserError, match="give the output folder of a finished training run"):
        main([str(tmp_path)])
