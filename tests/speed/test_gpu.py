"""speed/gpu.sh at toy size, so that it is ready when a GPU is at hand."""

import json
import sys

import pytest
import torch

from speed import gpu, runs
from speed.reference import Reference
from tests.speed.test_reference import THEIRS
from toolbox.errors import UserError


def test_parts_are_written_and_a_failure_stops_no_other(tmp_path, monkeypatch):
    def broken(device, scale):
        raise RuntimeError("no such thing")

    parts = {"Recordings": gpu.recordings, "Broken": broken, "Run": runs.whole, "Resume": runs.resumed}
    monkeypatch.setattr(gpu, "PARTS", parts)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--toy", "--out", str(tmp_path / "out")])
    assert gpu.main() == 1
    found = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert found["toy"] and found["failed"] == {"Broken": "RuntimeError: no such thing"}
    assert [row["within tolerance"] for row in found["parts"]["Recordings"]] == [True] * runs.TOY.recordings
    assert found["parts"]["Resume"] == [{"equal to the bit": True, "largest difference": 0.0}]
    (run,) = found["parts"]["Run"]
    assert run["epoch s"] > 0 and run["100 epochs, minutes"] == run["epoch s"] * 100 / 60
    text = (tmp_path / "out" / "gpu.md").read_text()
    assert "toy sizes: no measurement" in text and "**Broken failed**: RuntimeError: no such thing" in text


def test_steps_beside_their_towers(monkeypatch):
    two = [method for method in gpu.methods() if method.__name__ in ("CoOp", "CILMP")]
    monkeypatch.setattr(gpu, "methods", lambda: two)
    found = gpu.steps("cpu", runs.TOY)
    assert [row["method"] for row in found] == ["CILMP", "CoOp"]
    assert all(row["kernels"] > 100 and row["eager ms"] > 0 and "graph ms" not in row for row in found)
    (plain,) = gpu.plain("cpu", runs.TOY)
    assert plain["plain ms"] > 0 and plain["here ms"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path / "out")])
    with pytest.raises(UserError, match="torch sees no GPU"):
        gpu.main()
    assert not (tmp_path / "out").exists()


def test_authors_programs_beside_ours(tmp_path):
    (tmp_path / "theirs.py").write_text(THEIRS)
    config = runs.ROOT / "configs/trainers/CoOp/vit_b16.yaml"
    reference = Reference(f"{tmp_path}/theirs.py:Theirs", config, ours="CoOp")
    found = gpu.authors([reference], "cpu", runs.TOY)
    assert [(row["method"], row["batch"], row[""]) for row in found] == [("Theirs", 2, "ours"), ("Theirs", 2, "theirs")]
    assert all(row["step ms"] > 0 for row in found) and found[0]["x ours"] == 1
