"""CILMP as a method: averaging, checkpoints of ours and of the reference program, controls, looking inside."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open

from tests.trainers.small_world import logits, result
from toolbox.errors import UserError
from trainers.life.saved import open_run
from vlm.prompts.averaging import gaussian_weights

BASE = {"DATASET__SUBSAMPLE_CLASSES": "base"}
GPA = {"TRAINER__CILMP__GPA_MEAN": 2.0, "TRAINER__CILMP__GPA_STD": 1.0}
ROOT = Path(__file__).parents[2]


def tensors(folder: Path, epoch: int) -> dict[str, torch.Tensor]:
    with safe_open(folder / f"VLPromptLearner/model-{epoch}.safetensors", framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


@pytest.fixture(scope="module")
def averaged(world) -> Path:
    return world.run("CILMP", "cilmp-averaged", TRAIN__CHECKPOINT_FREQ=1, **BASE, **GPA)


def test_a_new_process_gives_the_same_logits_to_the_bit(world, averaged):
    code = "import sys, train; train.run(sys.argv[1:])"
    made = json.loads((averaged / "result.json").read_text())["config"]
    config = world.root / "again.yaml"
    config.write_text(made)
    out = world.root / "cilmp-again"
    words = ["--config-file", config, "--output-dir", out, "--eval-only", "--model-dir", averaged, "--seed", "1"]
    subprocess.run([sys.executable, "-c", code, *map(str, words)], cwd=ROOT, check=True, capture_output=True)
    assert np.array_equal(logits(out), logits(averaged))


def test_only_prompts_are_averaged(world, averaged):
    """Context and visual prompts end as the weighted mean over epochs, interventions and projections as they were."""
    last = world.run("CILMP", "cilmp-last", TRAIN__CHECKPOINT_FREQ=1, TRAINER__CILMP__GPA=False, **BASE)
    first, second, mean = tensors(last, 1), tensors(last, 2), tensors(averaged, 2)
    w = gaussian_weights(2, 2.0, 1.0)
    for name in ("text.ctx", "visual.vectors"):
        expected = (w[0] * first[name].double() + w[1] * second[name].double()).float()
        torch.testing.assert_close(mean[name], expected, rtol=0, atol=1e-7)
        assert not torch.equal(mean[name], second[name])
    for name in set(mean) - {"text.ctx", "visual.vectors"}:
        assert torch.equal(mean[name], second[name]), name


def test_a_checkpoint_of_the_reference_program_evaluates(world, averaged):
    """Its names, its whole frozen CLIP inside, half precision's cousin keys and all."""
    model = open_run(averaged).model
    state = {}
    for name, parameter, index in model.reference_parameters():
        state[name] = (parameter if index is None else parameter[index]).detach().clone()
    state["image_encoder.class_embedding"] = torch.zeros(64)
    folder = world.root / "reference/VLPromptLearner"
    folder.mkdir(parents=True)
    torch.save({"state_dict": state, "epoch": 100, "val_result": None}, folder / "model.pth.tar-100")
    flags = ("--eval-only", "--model-dir", str(folder.parent), "--load-epoch", "100")
    out = world.run("CILMP", "cilmp-reference", *flags, **BASE)
    assert np.array_equal(logits(out), logits(averaged))
    del state["prompt_learner.lora_proj.lora_A"]
    torch.save({"state_dict": state, "epoch": 100}, folder / "model.pth.tar-100")
    with pytest.raises(UserError, match=r"lacks prompt_learner.lora_proj.lora_A"):
        world.run("CILMP", "cilmp-broken", *flags, **BASE)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"TRAINER__CILMP__LOW_RANK": 3}, r"text.projection.A has shape \(2, 2, 24\) there and \(2, 3, 24\) here"),
        ({"TRAINER__CILMP__PROMPT_DEPTH_TEXT": 1}, r"text.ctx has shape \(2, 4, 64\) there and \(1, 4, 64\) here"),
    ],
)
def test_a_checkpoint_that_does_not_fit_says_where(world, averaged, change, said):
    with pytest.raises(UserError, match=said):
        world.run("CILMP", f"cilmp-{next(iter(change))}", "--eval-only", "--model-dir", str(averaged), **BASE, **change)


def test_controls_change_the_rows_and_nothing_else(world, averaged):
    seen = {}
    for kind in ("shuffled", "random", "bag_of_words", "planted", "none"):
        out = world.run("CILMP", f"cilmp-{kind}", TRAINER__CILMP__ROWS=kind, **BASE, **GPA)
        assert result(out)["rows"]["kind"] == kind
        seen[kind] = logits(out)
    assert len({values.tobytes() for values in [logits(averaged), *seen.values()]}) == 6


def test_rows_missing_for_a_class_name_the_command(world, averaged):
    with pytest.raises(UserError, match=r"python -m cilmp llm extract"):
        world.run("CILMP", "cilmp-missing", TRAINER__CILMP__ROWS_FILE=str(ROOT / "llm/rows/kvasir.safetensors"), **BASE)


def test_the_published_configuration():
    published = yaml.safe_load((ROOT / "configs/trainers/CILMP/vit_b16.yaml").read_text())
    assert published["OPTIM"] | {"LR": 0.0025, "MAX_EPOCH": 100, "WARMUP_EPOCH": 1} == published["OPTIM"]
    assert published["DATALOADER"]["TRAIN_X"]["BATCH_SIZE"] == 64
    section = published["TRAINER"]["CILMP"]
    assert (section["LOW_RANK"], section["PREFIX_LENGTH"], section["SUFFIX_LENGTH"]) == (8, 4, 4)
    assert (section["GPA_MEAN"], section["GPA_STD"]) == (100.0, 30.0)
