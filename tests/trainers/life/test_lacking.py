"""Runs on the draws that clinics have: few images, unbalanced, some classes with none, none to validate on."""

import json
import shutil

import numpy as np
import pytest

import train
from tests.trainers.small_world import OPTIONS, SmallWorld, logits, result
from tests.trainers.test_life_cycle import METHODS
from toolbox.errors import UserError

FEW = {"DATASET__FOLDER": "clinic", "DATASET__NUM_SHOTS": 1, "DATASET__DRAW": "realistic"}
REFUSED = {"LinearProbe", "ZeroshotCLIP"}  # the second trains on nothing


@pytest.fixture(scope="module")
def clinic(world) -> SmallWorld:
    """The world with a data set whose training part has 4, 4, 2 and 1 images: at one shot the last class has none."""
    folder = world.root / "clinic"
    if not folder.exists():
        shutil.copytree(world.root / "cells", folder, ignore=shutil.ignore_patterns("split_fewshot"))
        split = json.loads((folder / "split.json").read_text())
        kept = [4, 4, 2, 1]
        split["train"] = [line for line in split["train"] if int(line[0].split("_")[2][0]) < kept[line[1]]]
        (folder / "split.json").write_text(json.dumps(split))
    return world


@pytest.mark.parametrize("method", sorted(METHODS.keys() - REFUSED))
def test_a_class_without_images_is_served_by_its_text(clinic, method):
    run = clinic.run(method, f"clinic-{method}", **FEW, OPTIM__MAX_EPOCH=1)
    found = result(run)
    assert (found["draw"], found["shots"], found["split"]["val"]) == ("realistic", 1, "")
    assert found["classnames"][3] == "basophil" and len(found["metrics"]["per_class"]) == 4
    assert logits(run).shape == (12, 4) and np.isfinite(logits(run)).all()
    log = (run / "log.txt").read_text()
    assert "Drawn: discocyte 1, sickle_cell 1, target cell 1, basophil 0" in log
    assert "Without training images, by their text alone: basophil" in log


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("LinearProbe", {}, "LinearProbe needs training images of every class; there are none of basophil"),
        ("CoOp", {"TRAINER__COOP__CSC": True}, "CoOp needs training images of every class; there are none of basophil"),
        ("CoOp", {"TEST__FINAL_MODEL": "best_val"}, "CoOp: there are no validation images to choose an epoch by"),
        ("CoOp", {"DATASET__NUM_SHOTS": -1}, "DATASET.DRAW realistic is a few-shot draw: give DATASET.NUM_SHOTS"),
        (
            "CoOp",
            {"DATASET__DRAW": "real"},
            "DATASET.DRAW is 'real': .*; give coop, standard, relaxed or realistic",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(clinic, method, options, message):
    with pytest.raises(UserError, match=message):
        clinic.run(method, "clinic-refused", **{**FEW, **options})


def test_linear_probe_learns_where_every_class_has_an_image(clinic):
    run = clinic.run("LinearProbe", "clinic-relaxed", **{**FEW, "DATASET__DRAW": "relaxed"})
    assert "Drawn: discocyte 1, sickle_cell 1, target cell 1, basophil 1" in (run / "log.txt").read_text()
    assert "No validation images: C = 1" in (run / "log.txt").read_text()


def test_the_draw_is_part_of_what_a_run_is(clinic):
    clinic.run("SSText", "clinic-SSText", **FEW, OPTIM__MAX_EPOCH=1)
    with pytest.raises(UserError, match=r"DATASET\.DRAW was 'realistic' and is 'relaxed'"):
        clinic.run(
            "SSText", "clinic-SSText", "--draw", "relaxed", **{**FEW, "DATASET__DRAW": "relaxed"}, OPTIM__MAX_EPOCH=1
        )
    kept = json.loads((clinic.root / "clinic/split_fewshot/shot_1-seed_1_realistic.json").read_text())
    assert kept["source"] == "realistic" and len(kept["train"]) == 3 and kept["val"] == []


def test_the_flag_and_a_folder_of_its_own(clinic, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--root", str(clinic.root), "--seed", "1", "--trainer", "SSText", "--backbone", str(clinic.clip)]
    words += ["--config-file", str(clinic.root / "small.yaml"), "--draw", "realistic"]
    chosen = {**OPTIONS, "DATASET.FOLDER": "clinic", "DATASET.NUM_SHOTS": 1}
    train.run([*words, *(str(word) for pair in chosen.items() for word in pair)])
    (made,) = tmp_path.rglob("result.json")
    assert str(made.parent.relative_to(tmp_path)) == "output/train/clinic/all/shots_1_realistic/SSText/small/seed1"


def test_coop_s_own_draw_has_validation_images_and_its_usual_names(clinic):
    run = clinic.run("SSText", "clinic-coop", DATASET__FOLDER="clinic", DATASET__NUM_SHOTS=1)
    found = result(run)
    assert found["draw"] == "coop" and found["split"]["val"] and "average" not in (run / "log.txt").read_text()
    assert (clinic.root / "clinic/split_fewshot/shot_1-seed_1.json").is_file()
