"""speed/reference.py at toy size, with a trainer that stands for the authors'."""

import pytest

from speed import reference, runs
from toolbox.errors import UserError

THEIRS = """
from dassl.engine import TRAINER_REGISTRY
from trainers.coop import CoOp

@TRAINER_REGISTRY.register()
class Theirs(CoOp):
    pass
"""


def test_both_programs_are_measured(tmp_path, capsys):
    (tmp_path / "theirs.py").write_text(THEIRS)
    config = runs.ROOT / "configs/trainers/CoOp/vit_b16.yaml"
    words = ["--reference", f"{tmp_path}/theirs.py:Theirs", "--ours", "CoOp", "--config-file", str(config), "--toy"]
    assert reference.main([*words, "--batch", "2", "--steps", "3"]) == 0
    _, _, ours, theirs = capsys.readouterr().out.splitlines()
    assert (ours.split()[0], theirs.split()[0]) == ("ours", "theirs")
    assert [float(x) for x in ours.split()[2::2]] == [1, 1]
    assert all(float(x) > 0 for x in theirs.split()[1:])


def test_a_program_that_fails_is_told(tmp_path):
    config = runs.ROOT / "configs/trainers/CoOp/vit_b16.yaml"
    words = ["--reference", f"{tmp_path}/none.py:Theirs", "--ours", "CoOp", "--config-file", str(config), "--toy"]
    with pytest.raises(UserError, match="no plugin at"):
        reference.main([*words, "--batch", "2", "--steps", "2"])
