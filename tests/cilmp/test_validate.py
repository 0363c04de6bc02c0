"""`validate`, and what `run` checks before its first run: a sweep whose rows are missing does not begin."""

import pytest

from cilmp.__main__ import main
from tests.faults.world import build
from toolbox.errors import UserError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A data folder `data` with the data set `cells`, which nobody has rows of, in the current folder."""
    world = build(tmp_path)
    monkeypatch.chdir(tmp_path)
    return world


def words(world, *methods: str) -> list[str]:
    return ["few_shot", "--methods", *methods, "--datasets", "cells", "--root", str(world.data), "--shots", "2"]


def test_a_sound_plan_is_counted_and_nothing_is_run(here, tmp_path, capsys):
    assert main(["validate", *words(here, "CoOp", "ZeroshotCLIP"), "--seeds", "1", "2"]) == 0
    out = capsys.readouterr().out
    assert "few_shot: 4 runs into output, 0 of them there already" in out and "CoOp on cells: 2" in out
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("verb", ["validate", "run"])
def test_missing_rows_are_said_before_the_first_run(verb, here, tmp_path):
    with pytest.raises(
        UserError, match=r"no rows for data set 'cells': make them: python -m cilmp llm extract --classes "
    ):
        main([verb, *words(here, "ZeroshotCLIP", "CoOp", "CILMP")])
    assert not list((tmp_path / "output").rglob("seed*"))


def test_rows_that_were_made_here_are_found(here, capsys):
    assert main(["llm", "extract", "--split", str(here.split), "--answer", "none"]) == 0
    assert main(["validate", *words(here, "CILMP")]) == 0
    assert "CILMP on cells: 3" in capsys.readouterr().out


def test_an_unknown_word_in_a_plan_is_an_error(tmp_path):
    (tmp_path / "plan.yaml").write_text("protocol: few_shot\nmethod: CoOp\n")
    with pytest.raises(UserError, match="method"):
        main(["validate", str(tmp_path / "plan.yaml")])
