"""`copy`: a file of the project's, into one of one's own."""

import pytest

from benchmark.configs import ROOT
from cilmp.__main__ import main
from toolbox.errors import UserError


def test_a_configuration_is_copied_and_the_next_command_said(tmp_path, capsys):
    mine = tmp_path / "new" / "mine.yaml"
    assert main(["copy", "CoOp/vit_b16", str(mine)]) == 0
    assert mine.read_bytes() == (ROOT / "configs/trainers/CoOp/vit_b16.yaml").read_bytes()
    assert f"train --trainer CoOp --config-file {mine}`" in capsys.readouterr().out
    with pytest.raises(UserError, match="is already there"):
        main(["copy", "CoOp/vit_b16", str(mine)])


def test_a_plan_too(tmp_path, capsys):
    mine = tmp_path / "mine.yaml"
    main(["copy", "realistic", str(mine)])
    assert f" run {mine}`" in capsys.readouterr().out and "protocol: few_shot" in mine.read_text()


def test_what_is_not_there_offers_the_nearest(tmp_path):
    with pytest.raises(UserError, match="no configuration 'realistik'; nearest: realistic"):
        main(["copy", "realistik", str(tmp_path / "mine.yaml")])
    assert not any(tmp_path.iterdir())
