"""A run as a program: the same logits without this project, for methods of all kinds; what differs is not kept."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

import cilmp
from cilmp import exporting
from cilmp.__main__ import main
from tests.faults.world import build
from toolbox.errors import UserError
from train import run as train


@pytest.fixture(scope="module", params=["CoOp", "CILMP"])
def run(request, tmp_path_factory):
    world = build(tmp_path_factory.mktemp(request.param))
    train(world.argv(request.param, world.root / "out"))
    return cilmp.open(world.root / "out")


@pytest.mark.parametrize("kind", exporting.SUFFIXES)
def test_logits_are_the_runs_without_this_project(kind, run, tmp_path, capsys):
    assert main(["export", str(run.folder), "--to", kind, "--out", str(tmp_path / "model")]) == 0
    file = tmp_path / f"model{exporting.SUFFIXES[kind]}"
    assert str(file) in capsys.readouterr().out
    images = torch.randn(1 if run.model.conditional else 3, 3, 16, 16)
    np.save(tmp_path / "images.npy", images.numpy())
    program = {
        "onnx": "import onnxruntime; out = onnxruntime.InferenceSession(F).run(None, {'images': x})[0]",
        "torchscript": "import torch; out = torch.jit.load(F)(torch.tensor(x)).numpy()",
        "pt2": "import torch; out = torch.export.load(F).module()(torch.tensor(x)).detach().numpy()",
    }[kind]
    alone = f"import numpy; F = {str(file)!r}; x = numpy.load('images.npy'); {program}; numpy.save('out.npy', out)"
    subprocess.run([sys.executable, "-W", "ignore", "-c", alone], cwd=tmp_path, check=True, capture_output=True)
    with torch.no_grad():
        assert np.allclose(np.load(tmp_path / "out.npy"), run.model(images).numpy(), atol=1e-3)
    about = json.loads((tmp_path / "model.json").read_text())
    assert about["classnames"] == run.classnames and about["batch"] == ("1" if run.model.conditional else "any")
    assert "not a medical device" in about["licence"]


def test_names_and_licence_are_in_the_file_itself(run, tmp_path):
    exporting.export(run, "onnx", tmp_path / "model")
    kept = {prop.key: prop.value for prop in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert json.loads(kept["classnames"]) == run.classnames and kept["licence"]
    exporting.export(run, "torchscript", tmp_path / "model")
    extra = {"about.json": ""}
    torch.jit.load(tmp_path / "model.pt", _extra_files=extra)
    assert json.loads(extra["about.json"])["preprocessing"] == kept["preprocessing"]


def test_what_differs_is_not_kept(run, tmp_path, monkeypatch):
    monkeypatch.setitem(exporting._WRITERS, "pt2", lambda program, *_: lambda batch: program(batch) + 1)
    with pytest.raises(UserError, match=r"logits differ by .* so it is not kept"):
        exporting.export(run, "pt2", tmp_path / "model")
    assert not any(tmp_path.iterdir())


def test_a_missing_package_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="pip install onnx onnxruntime onnxscript"):
        exporting.export(run, "onnx", tmp_path / "model")
    assert not any(tmp_path.iterdir())
