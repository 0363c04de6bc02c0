"""cilmp predict: from a run's folder and images to probabilities, with the data set gone."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cilmp.verbs import predict
from tests.trainers.small_world import SmallWorld, logits
from toolbox.errors import UserError

TEST_FILES = [f"test_{label}_{i}.png" for label in range(2) for i in range(3)]
BASE = {"DATASET__SUBSAMPLE_CLASSES": "base"}


@pytest.fixture
def predictions(world, tmp_path):
    """Calls the verb on a method's run over the base classes; returns the exit code and the two files' contents."""

    def call(method: str, *words: str) -> tuple[int, list[dict], dict]:
        run = world.run(method, f"base-{method}", **BASE)
        code = predict.main([str(run), *words, "--out", str(tmp_path / "found")])
        with (tmp_path / "found.csv").open(newline="") as file:
            table = list(csv.DictReader(file))
        return code, table, json.loads((tmp_path / "found.json").read_text())

    return call


@pytest.mark.parametrize(
    "method",
    ["CILMP", "CLIPAdapter", "CoCoOp", "KgCoOp", "LinearProbe", "MaPLe", "SSText", "TipAdapterF", "ZeroshotCLIP"],
)
def test_same_probabilities_as_the_run(world, predictions, method):
    files = [str(world.root / "cells" / name) for name in TEST_FILES]
    code, table, tree = predictions(method, "--batch-size", "4", *files)
    z = logits(world.root / f"base-{method}").astype(np.float64)
    expected = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    found = np.array([[float(row["discocyte"]), float(row["sickle_cell"])] for row in table])
    np.testing.assert_allclose(found, expected, atol=1e-5)  # batches of another size, and six digits
    assert code == 0 and [row["image"] for row in table] == files
    assert [image["predicted"] for image in tree["images"]] == [row["predicted"] for row in table]
    assert tree["method"] == method and not tree["unread"]


def test_other_classes(world, predictions, capsys):
    _, table, _ = predictions("CoOp", "--classes", "basophil; a neutrophil", str(world.root / "cells" / TEST_FILES[0]))
    assert set(table[0]) == {"image", "predicted", "basophil", "a neutrophil"}
    assert float(table[0]["basophil"]) + float(table[0]["a neutrophil"]) == pytest.approx(1, abs=1e-5)
    out = capsys.readouterr().out
    assert f"{TEST_FILES[0]}: " in out and "Backbone" not in out.split(f"{TEST_FILES[0]}: ")[1]


def test_a_folder_with_a_broken_image(tmp_path, predictions, capsys):
    folder = tmp_path / "images" / "deeper"
    folder.mkdir(parents=True)
    for name in ("b.PNG", "a.png"):
        Image.new("L", (20, 30), 90).save(folder / name, format="png")
    (folder / "c.jpg").write_bytes(b"no image")
    (folder / "notes.txt").write_text("no image either")
    code, table, tree = predictions("ZeroshotCLIP", str(tmp_path / "images"))
    assert code == 1 and [row["image"] for row in table] == [str(folder / "a.png"), str(folder / "b.PNG")]
    assert list(tree["unread"]) == [str(folder / "c.jpg")]
    assert "left out: image" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, message",
    [
        (["nowhere.png"], "no image or folder at nowhere.png"),
        (["--classes", "a; a", "{image}"], "give different names separated by"),
        (["--classes", ";", "{image}"], "give different names separated by"),
        (["--batch-size", "0", "{image}"], "--batch-size is 0"),
        (["{empty}"], "no images in"),
    ],
)
def test_bad_input_is_one_sentence(world, predictions, tmp_path, words, message):
    (tmp_path / "empty").mkdir()
    places = {"{image}": str(world.root / "cells" / TEST_FILES[0]), "{empty}": str(tmp_path / "empty")}
    with pytest.raises(UserError, match=message):
        predictions("ZeroshotCLIP", *(places.get(word, word) for word in words))


def test_fitted_methods_serve_their_classes_alone(world, predictions):
    with pytest.raises(UserError, match="was made for the classes discocyte, sickle_cell"):
        predictions("LinearProbe", "--classes", "lymphocyte; monocyte", str(world.root / "cells" / TEST_FILES[0]))


def test_rows_of_unknown_classes_are_asked_for(world, predictions):
    with pytest.raises(UserError, match="lymphocyte"):
        predictions("CILMP", "--classes", "lymphocyte", str(world.root / "cells" / TEST_FILES[0]))


def test_predictions_of_another_run_are_kept_unless_told(world, predictions):
    image = str(world.root / "cells" / TEST_FILES[0])
    _, first, _ = predictions("CoOp", image)
    assert predictions("CoOp", image)[1] == first  # the same run may write again
    with pytest.raises(UserError, match=r"found\.csv is not of this run: give --out NAME, or --overwrite"):
        predictions("ZeroshotCLIP", image)
    assert predictions("ZeroshotCLIP", image, "--overwrite")[2]["method"] == "ZeroshotCLIP"


def test_a_run_handed_over_needs_nothing_but_its_folder(tmp_path, tiny_state, monkeypatch):
    """Copied elsewhere, with data, rows and the original gone, and asked from another folder; for three kinds of rows."""
    world = SmallWorld(tmp_path / "world", tiny_state)
    image = tmp_path / "cell.png"
    shutil.copy(world.root / "cells/test_0_0.png", image)
    expected = {}
    for kind in ("real", "shuffled", "none"):
        world.run("CILMP", kind, OPTIM__MAX_EPOCH=1, TRAINER__CILMP__ROWS=kind)
        shutil.copytree(world.root / kind, tmp_path / "handed" / kind)
        expected[kind] = logits(world.root / kind)[0].astype(np.float64)
    for name in ("cells", "rows.safetensors", *expected):
        (world.root / name).rename(world.root / f"gone-{name}")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for kind, z in expected.items():
        assert predict.main([f"../handed/{kind}", str(image), "--overwrite"]) == 0
        (found,) = json.loads(Path("predictions.json").read_text())["images"]
        probabilities = np.exp(z) / np.exp(z).sum()
        np.testing.assert_allclose(list(found["probabilities"].values()), probabilities, atol=1e-5)


def test_standard_output_is_predictions_alone(world, tmp_path, capsys):
    files = [str(world.root / "cells" / name) for name in TEST_FILES[:2]]
    run = world.run("CoOp", "base-CoOp", **BASE)
    capsys.readouterr()
    assert predict.main([str(run), *files, "--out", str(tmp_path / "found")]) == 0
    assert [line.partition(": ")[0] for line in capsys.readouterr().out.splitlines()] == files


def test_names_that_are_not_utf8(predictions, tmp_path, capsys):
    """They are predicted, and can be read back from both files."""
    name = os.fsdecode(b"a\xff\x1b.png")
    Image.new("RGB", (20, 20), "red").save(tmp_path / "image.png")
    (tmp_path / "image.png").rename(tmp_path / name)
    code, table, tree = predictions("CoOp", str(tmp_path / name))
    assert code == 0
    assert table[0]["image"] == f"{tmp_path}/a\\xff\\x1b.png"
    assert tree["images"][0]["image"] == str(tmp_path / name)
    assert "a\\udcff\\x1b.png: " in capsys.readouterr().out


@pytest.mark.parametrize("out", ["file/found", "x" * 300 + "/found"])
def test_an_output_that_cannot_be_written_is_found_before_the_work(out, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be written .*; give --out NAME"):
        predict.main(["no run", "no image", "--out", str(tmp_path / out)])
