"""Runs that once ended wrongly without a word: old figures for new settings, NaN in a result, a disk without locks."""

import fcntl
import json
import shutil
from pathlib import Path

import pytest

from benchmark import report, run
from tests.trainers.small_world import OPTIONS
from toolbox.errors import UserError
from toolbox.run_files import read_result

HERE = Path(__file__).parent


@pytest.fixture
def sweep(world, tmp_path, monkeypatch):
    """A small few-shot sweep with CILMP beside zero-shot CLIP, in the words that the scripts use."""
    for method in ("ZeroshotCLIP", "CILMP"):
        path = tmp_path / "configs/trainers" / method / "tiny.yaml"
        path.parent.mkdir(parents=True)
        path.write_text("")
    (tmp_path / "configs/datasets").mkdir()
    (tmp_path / "configs/datasets/split.yaml").write_text("DATASET:\n  NAME: split\n")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(world.root / "cells", tmp_path / "data/cells", ignore=shutil.ignore_patterns("split_fewshot"))
    fixed = {**OPTIONS, "OPTIM.MAX_EPOCH": 1, "TRAINER.CILMP.ROWS_FILE": world.rows}
    fixed = {key: value for key, value in fixed.items() if key != "DATASET.FOLDER"}

    def call(*words, opts=()):
        start = ["few_shot", "--datasets", "cells", "--shots", "2", "--seeds", "1", "--configs", "configs"]
        keys = [str(word) for pair in fixed.items() for word in pair]
        return run.main([*start, "--backbone", str(world.clip), *words, "--opts", *keys, *opts])

    return call


def folder(output="output"):
    return Path(output, "few_shot/cells/shots_2/CILMP/tiny/seed1")


def test_37_finished_run_other_settings(sweep, capsys):
    assert sweep() == 0
    assert sweep() == 0
    assert "All 2 results exist" in capsys.readouterr().err
    said = r"CILMP/tiny/seed1 holds another run: TRAINER\.CILMP\.ROWS was 'real' and is 'shuffled'; give --again"
    with pytest.raises(UserError, match=said):
        sweep(opts=["TRAINER.CILMP.ROWS", "shuffled"])
    assert sweep("--again", opts=["TRAINER.CILMP.ROWS", "shuffled"]) == 0
    assert "1 of 2 runs to do" in capsys.readouterr().err  # zero-shot CLIP has no rows
    assert read_result(folder())["rows"]["kind"] == "shuffled"
    assert read_result(folder().with_name("seed1.before-1"))["rows"]["kind"] == "real"
    assert sweep("--output", "other") == 0
    assert read_result(folder("other"))["rows"]["kind"] == "real"


def test_37_split_prepared_with_another_seed(sweep):
    sweep()
    path = Path("data/cells/split.json")
    split = json.loads(path.read_text())
    split["train"][0], split["test"][0] = split["test"][0], split["train"][0]
    path.write_text(json.dumps(split))
    with pytest.raises(
        UserError, match=r"ZeroshotCLIP.* holds another run: split \(.*was .* \(and so do 1 more of 2 folders\)"
    ):
        sweep()


def test_35_one_class_in_test(world, tmp_path, capsys):
    shutil.copytree(HERE / "35-one-class-in-test/onetest", tmp_path / "onetest")
    words = {"DATASET__FOLDER": "onetest", "DATASET__SUBSAMPLE_CLASSES": "new", "DATASET__ROOT": tmp_path}
    out = world.run("ZeroshotCLIP", str(tmp_path / "out"), "--eval-only", **words)
    metrics = json.loads((out / "result.json").read_text(), parse_constant=pytest.fail)["metrics"]
    assert metrics["auc"] is None and metrics["undefined"]["auc"].endswith(
        "test images are of one class (phyllodes tumour)"
    )
    assert "* auc: - (all " in capsys.readouterr().out
    report.main([str(tmp_path), "--metrics", "auc", "--format", "markdown"])
    shown = capsys.readouterr().out
    assert "nan" not in shown.lower() and "AUC is not defined on onetest (new): all" in shown


@pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS"])
def test_30_file_system_without_locks(world, monkeypatch, capsys, error):
    monkeypatch.setattr(fcntl, "lockf", fcntl.lockf)  # put back after the test
    monkeypatch.setenv("LOCK_ERRNO", error)
    code = (HERE / "30-file-system-without-locks/sitecustomize.py").read_text()
    exec(compile(code, "sitecustomize.py", "exec"), {})
    out = world.run("ZeroshotCLIP", f"no-locks-{error}", "--eval-only")
    assert "has no locks" in capsys.readouterr().err
    assert (out / "result.json").is_file() and not (out / ".lock-holder").exists()
