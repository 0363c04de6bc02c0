from pathlib import Path

import pytest

from benchmark import run
from tests.benchmark.runs_on_disk import write_run


@pytest.fixture
def configs(tmp_path):
    """A configs/ folder with three methods and two data sets."""
    for name in ("datasets/phantom", "datasets/kvasir", "datasets/split"):
        path = tmp_path / "configs" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for method in ("ZeroshotCLIP", "CoOp", "CILMP"):
        for stem in ("small_clip", "vit_b16"):
            path = tmp_path / "configs/trainers" / method / f"{stem}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return tmp_path / "configs"


@pytest.fixture
def base2new(tmp_path):
    """Runs of two methods on base and new, two seeds, with known accuracies."""
    known = {
        ("CoOp", 1): (0.8, 0.4),
        ("CoOp", 2): (0.6, 0.6),
        ("CILMP", 1): (0.9, 0.7),
        ("CILMP", 2): (0.9, 0.8),
    }
    for (method, seed), sides in known.items():
        for folder, subset, accuracy in zip(("train_base", "test_new"), ("base", "new"), sides, strict=True):
            path = tmp_path / "output/base2new" / folder / "phantom/shots_16" / method / "small_clip" / f"seed{seed}"
            write_run(path, method, accuracy, seed=seed, subset=subset)
    return tmp_path / "output/base2new"


@pytest.fixture
def sweep(configs, tmp_path, monkeypatch):
    """Call the command on three methods' base-to-new with the quick stand-in for train.py; returns the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNS_LOG", str(tmp_path / "calls"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))

    def call(*words, methods="ZeroshotCLIP CoOp CILMP"):
        start = [
            "base2new",
            "--workers",
            "1",
            "--methods",
            *methods.split(),
            "--seeds",
            "1",
            "2",
            "--configs",
            str(configs),
        ]
        return run.main([*start, "--runner", "tests.benchmark.runs_on_disk:run", *words])

    return call
