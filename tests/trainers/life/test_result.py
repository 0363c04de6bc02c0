"""What a run leaves behind for others to check."""

import json

import numpy as np
import pytest

from tests.trainers.small_world import result
from toolbox.errors import UserError
from toolbox.run_files import find_result
from toolbox.seals import check_seal
from toolbox.version import VERSION


@pytest.fixture(scope="module")
def out(world):
    return world.run("CILMP", "provenance", OPTIM__MAX_EPOCH=1)


def test_provenance(world, out):
    found = result(out)
    assert found["seed"] == 1 and found["shots"] == -1 and found["subset"] == "all" and found["synthetic"] is False
    assert len(found["backbone_hash"]) >= 32 and len(found["rows"]["sha256"]) == 64 and found["rows"]["kind"] == "real"
    assert {part: len(value) for part, value in found["split"].items()} == {
        "train": 64,
        "val": 64,
        "test": 64,
        "fewshot": 0,
    }
    assert {"python", "torch", "torchvision", "numpy", "safetensors"} <= found["versions"].keys()
    assert found["version"] == VERSION and "threads" in found["hardware"] and "dassl" in found["host"].lower()
    assert found["git"] is None or {"commit", "dirty"} == found["git"].keys()
    assert "LR: 0.01" in found["config"] and found["command"]
    assert found["time"]["train_s"] > 0 and found["time"]["test_s"] > 0 and found["time"]["starts"] == 1
    assert found["time"]["finished"].endswith("+00:00")
    assert found["peak_memory_mb"] > 10 and found["trainable_params"] > 0 and found["epochs"] == 1
    check_seal(found, out / "result.json", "")


def test_predictions_are_those_the_metrics_were_made_of(out):
    found = result(out)
    with np.load(out / "predictions.npz", allow_pickle=False) as file:
        paths, labels, logits = file["paths"], file["labels"], file["logits"]
    assert logits.dtype == np.float32 and len(paths) == len(labels) == len(logits) == 12
    assert all(not path.startswith("/") for path in paths)
    assert found["metrics"]["accuracy"] == 100 * (logits.argmax(1) == labels).mean()
    assert np.array(found["metrics"]["confusion"]).sum() == 12


@pytest.mark.parametrize("content", ["", "{", "[]", '{"status": "running"}', '{"status": "finished", "sha256": "0"}'])
def test_a_damaged_result_is_not_taken_for_one(tmp_path, content):
    assert not find_result(tmp_path)
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(UserError, match=r"result\.json .*remove it and run again"):
        find_result(tmp_path)


def test_one_changed_digit_is_seen(out, tmp_path):
    text = (out / "result.json").read_text()
    value = json.loads(text)
    value["metrics"]["accuracy"] += 0.01
    (tmp_path / "result.json").write_text(json.dumps(value))
    with pytest.raises(UserError, match="is not as it was written"):
        find_result(tmp_path)


def test_images_prepared_for_another_backbone_are_refused(world):
    with pytest.raises(UserError, match=r"INPUT\.SIZE"):
        world.run("CoOp", "size", INPUT__SIZE="(48, 48)")
    with pytest.raises(UserError, match=r"INPUT\.PIXEL_MEAN is .* remove INPUT\.PIXEL_MEAN"):
        world.run("CoOp", "mean", INPUT__PIXEL_MEAN="[0.5, 0.5, 0.5]")
