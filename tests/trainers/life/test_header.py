"""What a run says of itself on the console, in its log and in config.yaml."""

import pytest
import yaml

import dassl
from tests.faults.world import build
from train import run as train


def printed(tmp_path, capsys, *flags: str) -> tuple[list[str], str]:
    world = build(tmp_path / "world")
    capsys.readouterr()
    train([*flags, *world.argv("CoOp", tmp_path / "out")])
    return capsys.readouterr().out.splitlines(), (tmp_path / "out" / "log.txt").read_text()


@pytest.mark.skipif(
    "bundled" not in dassl.__version__, reason="stock Dassl prints eight lines of its own on transforms"
)
def test_ten_lines_and_all_of_it_in_the_log(tmp_path, capsys):
    lines, log = printed(tmp_path, capsys)
    before = lines[: next(i for i, line in enumerate(lines) if line.startswith("epoch [1/"))]
    assert len(before) <= 10
    said = dict(line.split(":", 1) for line in before)
    assert said["Data"].strip() == "cells, 3 classes (all), 4 images a class, seed 3"
    assert said["Images"].strip() == "12 train, 6 val, 12 test"
    assert said["Trains"].strip() == "128 parameters" and "epochs of" in said["Steps"]
    assert set(said) >= {"Method", "CLIP", "Device", "Output"}
    for line in ("** Arguments **", "** Config **", "Split identity: ", "Loading trainer: CoOp", *before):
        assert line in log
    assert "COOP:" in log and "MAPLE:" not in log  # the method's own section, not all of them
    whole = yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())
    assert whole["TRAINER"]["COOP"]["N_CTX"] == 2 and "MAPLE" in whole["TRAINER"]


def test_lines_that_programs_read_are_there_still(tmp_path, capsys):
    lines, log = printed(tmp_path, capsys)
    for text in (lines, log.splitlines()):
        assert "=> result" in text and "Finish training" in text
        assert any(line.startswith("* accuracy: ") for line in text)


def test_verbose_prints_the_log_and_quiet_the_results(tmp_path, capsys):
    lines, log = printed(tmp_path / "a", capsys, "--verbose")
    assert "** Config **" in lines and [line for line in log.splitlines() if line] == [line for line in lines if line]
    lines, log = printed(tmp_path / "b", capsys, "--quiet")
    assert lines[0] == "=> result" and lines[-1].startswith("Results: ") and "** Config **" in log
    assert all(line.startswith(("=> ", "* ", "Results: ")) for line in lines)
