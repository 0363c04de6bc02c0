"""What a command line asks for where it leaves something out, and runs that stand in its way."""

from pathlib import Path

import pytest

import train
from benchmark.configs import config_for
from tests.trainers.small_world import OPTIONS, result
from toolbox.errors import UserError
from toolbox.run_files import read_result
from trainers.base import PromptTrainer


class Stopped(Exception):
    """Stands for a power cut."""


def test_without_a_configuration_the_method_s_for_the_backbone_is_taken(capsys):
    for words, expected in (
        (["--trainer", "CILMP"], "CILMP/small_clip.yaml"),
        (["--trainer", "CoOp", "--backbone", "RN50"], "CoOp/rn50.yaml"),
        (["--trainer", "MaPLe", "MODEL.BACKBONE.NAME", "ViT-B/16"], "MaPLe/vit_b16_c2_ep5_batch4_2ctx.yaml"),
    ):
        chosen = config_for(train.parse(words))
        assert chosen.endswith(expected) and Path(chosen).is_file()
        assert f"Configuration: {chosen}" in capsys.readouterr().out


def test_without_a_configuration_that_fits_the_file_to_give_is_said(world):
    with pytest.raises(UserError, match=r"give --config-file: CoOp has no configuration named after .*small_clip"):
        train.run(["--trainer", "CoOp", "--backbone", str(world.clip), "--root", str(world.root)])
    with pytest.raises(UserError, match=r"give --config-file: unknown method 'Mine'"):
        train.run(["--trainer", "Mine"])
    with pytest.raises(UserError, match="no method: give --trainer"):
        train.run([])


def test_without_an_output_folder_each_run_has_its_own(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    world.run("CoOp", "unused", "--output-dir", "", OPTIM__MAX_EPOCH=1, DATASET__NUM_SHOTS=2)
    world.run("ZeroshotCLIP", "unused", "--output-dir", "", "--eval-only")
    assert sorted(str(path.parent) for path in Path("output").rglob("result.json")) == [
        "output/eval/cells/all/full/ZeroshotCLIP/small/seed1",
        "output/train/cells/all/shots_2/CoOp/small/seed1",
    ]


def test_a_test_takes_the_settings_of_the_run_it_tests(world, tmp_path):
    out = world.run("CoOp", "named", OPTIM__MAX_EPOCH=1, TRAINER__COOP__N_CTX=3)
    words = ["--trainer", "CoOp", "--eval-only", "--model-dir", str(out), "--output-dir", str(tmp_path / "again")]
    train.run(words)
    kept, again = result(out), read_result(tmp_path / "again")
    assert again["metrics"] == kept["metrics"] and again["cfg"] == kept["cfg"] == "small"
    assert again["fingerprint"]["TRAINER.COOP.N_CTX"] == "3"


def test_an_unfinished_run_with_other_settings_is_moved_aside_if_asked(world, monkeypatch):
    after_epoch = PromptTrainer.after_epoch

    def stop(self):
        after_epoch(self)
        raise Stopped

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(PromptTrainer, "after_epoch", stop)
        world.run("CoOp", "unfinished")
    with pytest.raises(
        UserError, match=r"unfinished holds the checkpoint of another run: OPTIM\.LR was .*; give --again"
    ):
        world.run("CoOp", "unfinished", OPTIM__LR=0.5)
    with pytest.raises(
        UserError, match=r"unfinished holds the checkpoint of another run: method was 'CoOp' and is 'MaPLe'"
    ):
        world.run("MaPLe", "unfinished")
    world.run("CoOp", "unfinished", "--again", OPTIM__LR=0.5)
    assert (world.root / "unfinished.before-1/prompt_learner/model.pth.tar-1").is_file()
    assert "Resume" not in (world.root / "unfinished/log.txt").read_text()


def test_new_classes_need_rows_of_the_store_that_was_trained_with(world, tmp_path):
    from llm.store import read_store, save_rows

    assert OPTIONS["DATASET.FOLDER"] == "cells"
    base = world.run("CILMP", "rows-base", OPTIM__MAX_EPOCH=1, DATASET__SUBSAMPLE_CLASSES="base")
    rows = {name: tensor * 2 for name, tensor in read_store(world.rows).rows.items()}
    save_rows(tmp_path / "other.safetensors", rows, {})
    flags = ("--eval-only", "--model-dir", str(base))
    other = {"DATASET__SUBSAMPLE_CLASSES": "new", "TRAINER__CILMP__ROWS_FILE": tmp_path / "other.safetensors"}
    with pytest.raises(
        UserError, match=r"rows-base was trained with rows of rows\.safetensors .*other\.safetensors is not"
    ):
        world.run("CILMP", "rows-new", *flags, **other)
    again = world.run("CILMP", "rows-again", *flags, **{**other, "DATASET__SUBSAMPLE_CLASSES": "base"})
    assert result(again)["metrics"] == result(base)["metrics"], "its own rows come first"
