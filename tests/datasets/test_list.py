"""The table, and what is ready under a root."""

import pytest

from datasets.facts import FACTS
from datasets.list import main, own_rows, state
from tests.datasets.pictures import cells
from toolbox.errors import UserError


def test_table_shows_every_data_set_and_its_state(tmp_path, capsys):
    cells(tmp_path, name="kvasir")
    (tmp_path / "busi").mkdir()
    (tmp_path / "odir").mkdir()
    (tmp_path / "odir/odir.json").write_text("{")
    cells(tmp_path, name="chaoyang")
    for image in (tmp_path / "chaoyang/images").iterdir():
        image.unlink()
    states = {name: state(facts, str(tmp_path)) for name, facts in FACTS.items()}
    assert states["kvasir"] == "ready"
    assert states["busi"] == "no busi.json" and states["isic"] == "no folder isic"
    assert states["odir"].startswith("split not valid") and states["chaoyang"].startswith("no images")
    assert states["phantom"] == "drawn on first use"
    assert main(["--root", str(tmp_path), "--classes"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in FACTS)
    assert "dyed lifted polyps; dyed resection margins" in printed and "https://datasets.simula.no/kvasir" in printed


def test_own_folders_are_listed(tmp_path, capsys):
    cells(tmp_path, name="mine")
    (tmp_path / "notes").mkdir()
    assert own_rows(str(tmp_path)) == [("mine", "", "4", "24/12/12", "", "ready (split)")]


def test_missing_root(tmp_path):
    with pytest.raises(UserError, match=r"data root .* is missing"):
        main(["--root", str(tmp_path / "none")])
    assert main([]) == 0
