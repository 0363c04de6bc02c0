"""benchmark.calibrate: thresholds from images that a run has not seen, and everything that makes them void is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmark.calibrate import main
from benchmark.calibration import FILE, Calibration
from tests.trainers.held_out import held_out
from tests.trainers.small_world import CLASSES, SmallWorld, result
from toolbox.errors import UserError
from trainers.life.seen import read_seen


@pytest.fixture
def run(world: SmallWorld, tmp_path) -> Path:
    """A copy of a run of CoOp, to be calibrated."""
    made = world.run("CoOp", "to-calibrate")
    return Path(shutil.copytree(made, tmp_path / "run"))


def test_a_folder_of_new_images(run, tmp_path, capsys):
    assert main([str(run), "--images", str(held_out(tmp_path / "new")), "--coverage", "0.9", "0.8"]) == 0
    value = json.loads((run / FILE).read_text())
    assert value["counts"] == [10] * 4 and value["score"] == "lac" and value["temperature"] == 1.0
    assert value["thresholds"]["0.9"]["k"] == 37 and value["thresholds"]["0.8"]["k"] == 33
    assert value["thresholds"]["0.8"]["tau"] <= value["thresholds"]["0.9"]["tau"] < 1
    assert len(set(value["images"])) == 40
    kept = Calibration.read(run, result(run))
    assert kept.n == 40 and kept.thresholds["0.9"][0] == value["thresholds"]["0.9"]["tau"]
    assert "coverage 0.9: 40 images, " in capsys.readouterr().out


def test_a_class_with_few_images_is_in_every_set(run, tmp_path, capsys):
    folder = held_out(tmp_path / "new", classes=CLASSES[:3])
    held_out(tmp_path / "new", each=3, classes=CLASSES[3:])
    main([str(run), "--images", str(folder)])
    assert "basophil have too few images of their own and are in every set" in capsys.readouterr().out
    kept = Calibration.read(run, result(run))
    assert kept.sets(np.array([[9.0, 0.0, 0.0, -9.0]]), "0.9", by_class=True)[0].tolist()[3]
    assert kept.thresholds["0.9"][1][3] == np.inf


def test_a_part_of_the_runs_own_data(run, capsys):
    assert main([str(run), "--images", "test", "--score", "aps"]) == 0
    assert (
        "coverage 0.9: 12 images" in capsys.readouterr().out and json.loads((run / FILE).read_text())["score"] == "aps"
    )


def test_temperature_is_fitted_on_one_half(run, tmp_path, capsys):
    main([str(run), "--images", str(held_out(tmp_path / "new", 20)), "--temperature"])
    out, value = capsys.readouterr().out, json.loads((run / FILE).read_text())
    assert f"temperature {value['temperature']:.3f}, fitted on 40 images; on the other 40:" in out
    assert value["temperature"] != 1.0 and sum(value["counts"]) == len(value["images"]) == 40
    before, after = next(line.split()[1::2] for line in out.splitlines() if "cross_entropy" in line)
    assert float(after) < float(before)


def test_what_a_run_has_seen(world, tmp_path):
    seen = read_seen(world.run("CoOp", "to-calibrate"))
    assert len(seen.trained) == 16 and not seen.chose and seen.counts == dict.fromkeys(CLASSES, 4)
    assert len(read_seen(world.run("LinearProbe", "chooses")).chose) == 8
    assert len(read_seen(world.run("CoOp", "best", TEST__FINAL_MODEL="best_val")).chose) == 8
    nothing = read_seen(world.run("ZeroshotCLIP", "zero-shot", "--eval-only"))
    assert not nothing.trained and not nothing.chose


@pytest.mark.parametrize("file, message", [("train_2_1.png", "1 of the 41 images trained it"), ("val_2_1.png", None)])
def test_images_that_trained_are_refused_and_validation_that_chose_nothing_is_not(world, run, tmp_path, file, message):
    folder = held_out(tmp_path / "new")
    shutil.copy(world.root / "cells" / file, folder / CLASSES[2] / "renamed.png")
    if message is None:
        assert main([str(run), "--images", str(folder)]) == 0
    else:
        with pytest.raises(UserError, match=message):
            main([str(run), "--images", str(folder)])
    assert (run / FILE).exists() == (message is None)


def test_validation_images_that_chose_are_refused(world, tmp_path):
    with pytest.raises(UserError, match=r"cannot be calibrated on val: 8 of the 8 images chose its settings"):
        main([str(world.run("LinearProbe", "chooses")), "--images", "val"])


@pytest.mark.parametrize(
    "each, classes, words, message",
    [
        (2, CLASSES, [], "8 calibration images are too few for a coverage of 0.9: it takes 9"),
        (4, CLASSES, ["--coverage", "0.95"], "16 calibration images are too few for a coverage of 0.95: it takes 19"),
        (4, (*CLASSES, "teardrop cell"), [], "is of class 'teardrop cell', which .* does not know"),
        (4, CLASSES, ["--coverage", "90"], "--coverage 90: give shares between 0 and 1"),
    ],
)
def test_too_few_images_and_other_classes_are_refused(run, tmp_path, each, classes, words, message):
    with pytest.raises(UserError, match=message):
        main([str(run), "--images", str(held_out(tmp_path / "new", each, classes)), *words])
    assert not (run / FILE).exists()


def test_copies_and_folders_without_classes_are_refused(run, tmp_path):
    folder = held_out(tmp_path / "new")
    shutil.copy(folder / CLASSES[0] / "100.png", folder / CLASSES[0] / "again.png")
    with pytest.raises(UserError, match="1 of the 41 images are copies of others"):
        main([str(run), "--images", str(folder)])
    with pytest.raises(UserError, match="lies in no class folder"):
        main([str(run), "--images", str(folder / CLASSES[0])])
    with pytest.raises(UserError, match="no such folder, and no part of the run's data"):
        main([str(run), "--images", str(tmp_path / "nothing")])


def test_the_calibration_of_another_run_a_damaged_one_and_none_are_refused(world, run, tmp_path):
    other = world.run("CoOp", "another-seed", SEED=2)
    with pytest.raises(UserError, match="says nothing of coverage until you calibrate"):
        Calibration.read(run, result(run))
    main([str(run), "--images", str(held_out(tmp_path / "new"))])
    text = (run / FILE).read_text()
    with pytest.raises(UserError, match="is of another run than"):
        Calibration.read(run, result(other))
    for damaged in (text.replace('"temperature": 1.0', '"temperature": 2.0'), text[:-40], "{}", "[]"):
        (run / FILE).write_text(damaged)
        with pytest.raises(UserError, match=r"conformal\.json .*calibrate again"):
            Calibration.read(run, result(run))


def test_a_run_that_does_not_say_what_it_saw_is_refused(run, tmp_path):
    (run / "seen.json").write_text((run / "seen.json").read_text().replace('"discocyte": 4', '"discocyte": 5'))
    with pytest.raises(UserError, match="damaged or edited"):
        main([str(run), "--images", str(held_out(tmp_path / "new"))])
    (run / "seen.json").unlink()
    with pytest.raises(UserError, match=r"no seen\.json in .* which images trained the run"):
        main([str(run), "--images", str(tmp_path / "new")])
