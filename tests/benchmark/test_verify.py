"""`python -m benchmark.verify` finds a run as it was, and names what is not."""

import json
import shutil

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


def test_runs_that_were_moved_are_verified_without_the_rows_file(tmp_path, monkeypatch):
    """A test on other rows' classes too: both runs move together, and each has the rows it used."""
    world = build(tmp_path / "world")
    out = world.root / "output"
    run(world.argv("CILMP", out / "base", "OPTIM.MAX_EPOCH", "1"))
    flags = ("--eval-only", "--model-dir", str(out / "base"))
    run(world.argv("CILMP", out / "deep/tested", "OPTIM.MAX_EPOCH", "1", flags=flags))
    out.rename(tmp_path / "handed")
    world.rows.unlink()
    monkeypatch.chdir(tmp_path)
    for name in ("base", "deep/tested"):
        assert main([f"handed/{name}"]) == 0


@pytest.mark.parametrize(("name", "said"), [("predictions.npz", "is damaged"), ("result.json", "is damaged")])
def test_what_was_cut_is_one_sentence(finished, tmp_path, name, said):
    for file in ("predictions.npz", "result.json"):
        shutil.copy(finished[1] / file, tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    value = json.loads((finished[1] / "result.json").read_text())
    if name == "predictions.npz":
        forge(tmp_path, {**value, "weights": {"folder": str(finished[1]), "epoch": 1}})
    with pytest.raises(UserError, match=f"{name} {said}"):
        main([str(tmp_path)])
