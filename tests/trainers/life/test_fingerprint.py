"""What makes two runs one run: everything but a few settings, by contents and not by place."""

import json
import shutil

import pytest
from yacs.config import CfgNode

from tests.trainers.small_world import result
from toolbox.errors import UserError
from toolbox.seals import seal
from trainers.life.fingerprint import FREE, differences, of_files


@pytest.fixture(scope="module")
def finished(world):
    """A finished CILMP run with few shots; the options that make it."""
    options = {"OPTIM__MAX_EPOCH": 1, "DATASET__NUM_SHOTS": 2}
    world.run("CILMP", "asked", **options)
    return options


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("OPTIM__LR", 0.5),
        ("DATALOADER__NUM_WORKERS", 1),
        ("DATALOADER__CACHE", True),
        ("DATALOADER__CACHE_SIZE", 64),
        ("DATASET__TEMPLATE", "an image of {}."),
        ("DATASET__SUBSAMPLE_CLASSES", "base"),
        ("INPUT__TRANSFORMS", '("normalize",)'),
        ("TEST__FINAL_MODEL", "best_val"),
        ("TRAINER__CILMP__ROWS", "shuffled"),
        ("TRAINER__CILMP__PREC", "bf16"),
    ],
)
def test_other_settings_are_named_with_both_values(world, finished, key, value):
    name = key.replace("__", r"\.")
    with pytest.raises(
        UserError, match=rf"asked holds another run: {name} was .* and is .*; give --again .*--output-dir"
    ):
        world.run("CILMP", "asked", **{**finished, key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DATALOADER__TEST__BATCH_SIZE", 3),
        ("TRAIN__PRINT_FREQ", 1),
        ("USE_CUDA", False),
        ("TRAINER__COOP__N_CTX", 7),
        ("WANDB", "none"),
    ],
)
def test_what_cannot_matter_is_free(world, finished, capsys, key, value):
    world.run("CILMP", "asked", **{**finished, key: value})
    assert "nothing to do" in capsys.readouterr().out


def test_data_rows_and_backbone_may_lie_elsewhere(world, finished, tmp_path, capsys):
    shutil.copytree(world.root / "cells", tmp_path / "elsewhere/cells")
    rows, clip = (shutil.copy(file, tmp_path) for file in (world.rows, world.clip))
    moved = {"DATASET__ROOT": tmp_path / "elsewhere", "TRAINER__CILMP__ROWS_FILE": rows}
    world.run("CILMP", "asked", backbone=clip, **finished, **moved)
    assert "nothing to do" in capsys.readouterr().out


def test_other_images_of_the_same_names_are_seen(world, finished, tmp_path):
    shutil.copytree(world.root / "cells", tmp_path / "cells")
    shutil.copy(tmp_path / "cells/test_0_0.png", tmp_path / "cells/test_0_1.png")
    with pytest.raises(UserError, match=r"asked holds another run: images was [0-9a-f]{12}\.\.\. and is"):
        world.run("CILMP", "asked", **finished, DATASET__ROOT=tmp_path)


def test_other_rows_are_seen(world, finished, tmp_path):
    from llm.store import read_store, save_rows

    store = read_store(world.rows)
    save_rows(tmp_path / "rows.safetensors", {name: rows + 1 for name, rows in store.rows.items()}, {})
    with pytest.raises(UserError, match=r"another run: rows was [0-9a-f]{12}\.\.\. and is"):
        world.run("CILMP", "asked", **finished, TRAINER__CILMP__ROWS_FILE=tmp_path / "rows.safetensors")


def test_other_tested_weights_are_seen(world):
    options = {"OPTIM__MAX_EPOCH": 2, "TRAIN__CHECKPOINT_FREQ": 1}
    out = world.run("CoOp", "weights", **options)
    flags = ("--eval-only", "--model-dir", str(out), "--load-epoch")
    world.run("CoOp", "weights-tested", *flags, "1", **options)
    with pytest.raises(UserError, match=r"another run: weights tested was [0-9a-f]{12}\.\.\. and is"):
        world.run("CoOp", "weights-tested", *flags, "2", **options)


def test_again_moves_the_other_run_aside(world, capsys):
    world.run("CoOp", "anew", OPTIM__MAX_EPOCH=1)
    world.run("CoOp", "anew", "--again", OPTIM__MAX_EPOCH=1)
    assert "nothing to do" in capsys.readouterr().out
    world.run("CoOp", "anew", "--again", OPTIM__MAX_EPOCH=1, OPTIM__LR=0.1)
    assert result(world.root / "anew")["fingerprint"]["OPTIM.LR"] == "0.1"
    assert result(world.root / "anew.before-1")["fingerprint"]["OPTIM.LR"] == "0.01"


def test_a_result_of_an_earlier_version_says_what_to_do(world, capsys):
    out = world.run("CoOp", "earlier", OPTIM__MAX_EPOCH=1)
    value = result(out)
    del value["fingerprint"]
    (out / "result.json").write_text(json.dumps(seal(value)))
    with pytest.raises(
        UserError, match="made by an earlier version, which did not write down its settings; give --again"
    ):
        world.run("CoOp", "earlier", OPTIM__MAX_EPOCH=1)


def test_a_plugin_s_file_counts(world, tmp_path):
    code = (
        "from dassl.engine import TRAINER_REGISTRY\nfrom trainers.coop import CoOp\n\n\n"
        "@TRAINER_REGISTRY.register(force=True)\nclass Mine(CoOp):\n    pass\n"
    )
    plugin = tmp_path / "counted.py"
    plugin.write_text(code)
    world.run("Mine", "plugin", "--plugin", str(plugin), OPTIM__MAX_EPOCH=1)
    assert len(result(world.root / "plugin")["fingerprint"]["plugin"]) == 64
    plugin.write_text(code + "    # changed\n")
    with pytest.raises(UserError, match=r"another run: plugin was [0-9a-f]{12}\.\.\. and is"):
        world.run("Mine", "plugin", "--plugin", str(plugin), OPTIM__MAX_EPOCH=1)


def test_a_method_s_files_count_by_their_contents(tmp_path):
    for name, text in (("a", "prior"), ("b", "prior"), ("c", "other")):
        (tmp_path / name).write_text(text)
    a, b, c = (of_files(CfgNode({"PRIOR_FILE": str(tmp_path / name), "NONE_FILE": "", "N": 1})) for name in "abc")
    assert a == b != c and list(a) == ["PRIOR_FILE"]


def test_a_setting_that_came_with_a_later_version_had_its_default():
    kept = {"format": "1", "OPTIM.LR": "0.01"}
    assert differences(kept, {**kept, "TRAINER.CILMP.ROWS": "real"}) == []
    assert differences(kept, {**kept, "TRAINER.CILMP.ROWS": "none"}) == ["TRAINER.CILMP.ROWS was 'real' and is 'none'"]
    assert differences({**kept, "OPTIM.OLD": "1"}, kept) == ["OPTIM.OLD was '1' and is not there"]


def test_every_free_setting_exists_and_has_its_reason(world):
    from trainers.life.fingerprint import _defaults

    for name, reason in FREE.items():
        section = _defaults()
        *above, key = name.split(".")
        for part in above:
            section = section[part]
        assert key in section and reason
