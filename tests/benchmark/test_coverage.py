"""benchmark.coverage: sets over divisions of test parts, from what runs left on disk."""

import numpy as np
import pytest

from benchmark.coverage import divided, main
from tests.benchmark.runs_on_disk import write_run
from toolbox.errors import UserError


def test_a_row_a_method_and_score(tmp_path, capsys):
    for seed in (1, 2):
        write_run(tmp_path / f"CoOp/{seed}", "CoOp", seed=seed)
    write_run(tmp_path / "MaPLe/1", "MaPLe", 1.0)
    assert main([str(tmp_path), "--splits", "5"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("phantom (all), 16 shots: coverage 0.9, 5 divisions a run, in percent")
    rows = {
        tuple(line.split()[:2]): line.split()
        for line in out.splitlines()
        if line.split()[1:2] in (["LAC"], ["APS"], ["RAPS"])
    }
    assert len(rows) == 6
    assert rows["MaPLe", "LAC"][2:4] == ["100.00", "1.00"], "a method that is always right and equally sure"
    assert rows["CoOp", "LAC"][-3:][1:] == ["of", "10"]


def test_coverage_of_exchangeable_images_lies_in_its_band():
    rng = np.random.default_rng(5)
    p = rng.dirichlet(np.ones(5), 400)
    labels = np.array([rng.choice(5, p=row) for row in p])
    for kind in ("lac", "aps", "raps"):
        found = divided(np.log(p), labels, kind, 0.9, 20, seed=1)
        assert abs(np.mean([one["coverage"] for one in found]) - 0.9) < 0.05
        assert sum(one["within"] for one in found) >= 15


def test_too_few_images_are_refused(tmp_path):
    write_run(tmp_path / "run")
    with pytest.raises(UserError, match=r"half of \d+ test images are too few for a coverage of 0\.99: it takes 99"):
        main([str(tmp_path), "--coverage", "0.99"])
    with pytest.raises(UserError, match="give --coverage shares"):
        main([str(tmp_path), "--coverage", "90"])
