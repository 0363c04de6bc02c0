"""Every registered method's life: train, test, reload, resume, base to new, other precisions, other backbones."""

import numpy as np
import open_clip
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import trainers  # noqa: F401  registers the methods
from benchmark.jobs import CLASS_BOUND
from tests.trainers.small_world import SmallWorld, logits, result
from toolbox.errors import UserError
from trainers.base import PromptTrainer
from trainers.life import features
from trainers.life.config import methods

METHODS = {method.__name__: method for method in methods() if method.__module__.startswith("trainers.")}
STEPPING = [name for name, method in METHODS.items() if method.trains]
FITTED = [name for name in METHODS if name not in (*STEPPING, "ZeroshotCLIP")]
VISUAL = ["CILMP", "CLIPLoRA", "IVLP", "MaPLe", "PromptSRC", "VPT", "XCoOp"]
BASE, NEW = {"DATASET__SUBSAMPLE_CLASSES": "base"}, {"DATASET__SUBSAMPLE_CLASSES": "new"}


def trained_tensors(world: SmallWorld, method: str) -> dict[str, torch.Tensor]:
    """The tensors of the newest safetensors checkpoint of the run in `base-<method>`."""
    files = sorted((world.root / f"base-{method}" / METHODS[method].folder).glob("model-*.safetensors"))
    with safe_open(files[-1], framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


@pytest.fixture
def base(world, request):
    """Output folder of a run on the base classes; made once a method."""
    method = request.getfixturevalue("method")
    return world.run(method, f"base-{method}", **BASE)  # returns at once when its results are there


@pytest.mark.parametrize("method", METHODS)
def test_leaves_results_and_what_it_trained_alone(world, base, method):
    found = result(base)
    assert found["status"] == "finished" and found["method"] == method and found["subset"] == "base"
    assert logits(base).shape == (6, 2) and np.isfinite(logits(base)).all()
    assert set(found["metrics"]["per_class"]) == {"discocyte", "sickle_cell"}
    if method == "ZeroshotCLIP":
        assert not list(base.rglob("model*"))
        return
    tensors = trained_tensors(world, method)
    if not method.startswith("TipAdapter"):  # which save labels beside the keys
        assert sum(t.numel() for t in tensors.values()) == found["trainable_params"] > 0
    assert not any(key.startswith("clip") for key in tensors)
    assert sum(t.numel() for t in tensors.values()) < 40_000 < found_clip_size(world)


def found_clip_size(world: SmallWorld) -> int:
    with safe_open(world.clip, framework="pt") as file:
        return sum(file.get_tensor(key).numel() for key in file.keys())  # noqa: SIM118


@pytest.mark.parametrize("method", METHODS)
def test_a_new_trainer_that_loads_it_predicts_the_same(world, base, method):
    again = world.run(method, f"again-{method}", "--eval-only", "--model-dir", str(base), **BASE)
    np.testing.assert_array_equal(logits(again), logits(base))


@pytest.mark.parametrize("method", METHODS)
def test_base_to_new(world, base, method):
    def on_new():
        return world.run(method, f"new-{method}", "--eval-only", "--model-dir", str(base), **NEW)

    if method in CLASS_BOUND:
        with pytest.raises(UserError, match="was made for the classes discocyte, sickle_cell and says nothing about"):
            on_new()
        return
    assert result(on_new())["classnames"] == ["target cell", "basophil"]
    assert logits(on_new()).shape == (6, 2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("precision", ["bf16", "fp16", "amp"])
def test_other_precisions_predict_alike(world, base, method, precision):
    key = {f"TRAINER__{METHODS[method].section}__PREC": precision}
    other = world.run(method, f"{precision}-{method}", "--eval-only", "--model-dir", str(base), **BASE, **key)
    assert result(other)["precision"] == precision
    spread = np.abs(logits(base)).max()
    assert np.abs(logits(other) - logits(base)).max() < (0.01 if precision == "fp16" else 0.1) * max(spread, 1)


@pytest.mark.parametrize("method", STEPPING)
def test_training_in_half_precision_stays_finite(world, method):
    key = {f"TRAINER__{METHODS[method].section}__PREC": "fp16", "OPTIM__MAX_EPOCH": 1}
    folder = world.run(method, f"train-fp16-{method}", **BASE, **key)
    assert np.isfinite(logits(folder)).all() and result(folder)["overflows"] == 0


@pytest.mark.parametrize("method", STEPPING)
def test_an_interrupted_run_ends_as_an_uninterrupted_one(world, base, method, monkeypatch):
    after_epoch = PromptTrainer.after_epoch

    def stop_after_the_first(self):
        after_epoch(self)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PromptTrainer, "after_epoch", stop_after_the_first)
        world.run(method, f"resumed-{method}", **BASE)
    assert not (world.root / f"resumed-{method}" / "result.json").exists()
    resumed = world.run(method, f"resumed-{method}", **BASE)
    assert "Resume after epoch 1" in (resumed / "log.txt").read_text()
    np.testing.assert_array_equal(logits(resumed), logits(base))


@pytest.mark.parametrize("method", FITTED)
def test_a_fit_that_was_interrupted_is_made_again_and_ends_the_same(world, base, method, monkeypatch):
    fit = METHODS[method].fit

    def stop_after_it(self):
        fit(self)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(METHODS[method], "fit", stop_after_it)
        world.run(method, f"refitted-{method}", **BASE)
    features._memory.clear()
    refitted = world.run(method, f"refitted-{method}", **BASE)
    np.testing.assert_array_equal(logits(refitted), logits(base))


@pytest.mark.parametrize("method", STEPPING)
def test_training_moves_every_trained_tensor(world, base, method):
    start = world.run(method, f"start-{method}", OPTIM__MAX_EPOCH=1, OPTIM__LR=0.0, **BASE)
    file = next((start / METHODS[method].folder).glob("model-1.safetensors"))
    with safe_open(file, framework="pt") as opened:
        for name, tensor in trained_tensors(world, method).items():
            assert not torch.equal(tensor, opened.get_tensor(name)), f"{name} did not move"


@pytest.fixture(scope="session")
def resnet(world):
    """An OpenAI-format checkpoint of a small random CLIP with a ResNet image tower."""
    torch.manual_seed(3)
    vision = open_clip.CLIPVisionCfg(layers=(1, 1, 1, 1), width=16, image_size=32)
    text = open_clip.CLIPTextCfg(width=64, heads=1, layers=2)
    model = open_clip.CLIP(64, vision, text, quick_gelu=True)
    path = world.root / "resnet.safetensors"
    save_file({k: v.contiguous() for k, v in model.state_dict().items() if k != "attn_mask"}, path)
    return path


@pytest.mark.parametrize("method", METHODS)
def test_resnets_work_or_are_refused_in_a_sentence(world, resnet, method):
    def train_on_resnet():
        return world.run(method, f"resnet-{method}", backbone=resnet, OPTIM__MAX_EPOCH=1)

    if method in VISUAL:
        with pytest.raises(UserError, match="ResNet image tower, which takes no visual prompts; choose a ViT"):
            train_on_resnet()
    else:
        assert logits(train_on_resnet()).shape == (12, 4)


def test_a_fitted_method_does_not_test_without_its_fit(world):
    for method in FITTED:
        with pytest.raises(UserError, match=f"{method} is nothing without its training images: give --model-dir"):
            world.run(method, f"nothing-{method}", "--eval-only")


def test_class_specific_contexts_are_refused_on_other_classes(world):
    csc = {"TRAINER__COOP__CSC": True}
    base = world.run("CoOp", "csc-base", **BASE, **csc)
    with pytest.raises(UserError, match="was made for the classes discocyte, sickle_cell"):
        world.run("CoOp", "csc-new", "--eval-only", "--model-dir", str(base), **NEW, **csc)


@pytest.mark.parametrize(
    "method, option, message",
    [
        ("CoOp", {"TRAINER__COOP__N_CTX": 0}, r"COOP.N_CTX is 0: context vectors; give 1 to 245"),
        ("CoOp", {"TRAINER__COOP__N_CTX": 99}, "class 'discocyte': its prompt needs .* the text tower has 77"),
        ("CoOp", {"TRAINER__COOP__CLASS_TOKEN_POSITION": "back"}, "give end, middle or front"),
        ("VPT", {"TRAINER__VPT__N_CTX_VISION": 0}, "prompt vectors in the image tower; give 1 to"),
        ("MaPLe", {"TRAINER__MAPLE__PROMPT_DEPTH": 9}, "vision prompt depth is 9 but the vision tower has 3 layers"),
        ("MaPLe", {"TRAINER__MAPLE__N_CTX": 6}, "CTX_INIT 'a photo of a' has 4 word pieces but N_CTX is 6"),
        ("IVLP", {"TRAINER__IVLP__PROMPT_DEPTH_TEXT": 0}, "PROMPT_DEPTH_TEXT is 0: prompted layers of the text tower"),
        ("KgCoOp", {"TRAINER__KGCOOP__TEMPLATES": "cells"}, "KGCOOP.TEMPLATES: 'cells' must have exactly one {}"),
        (
            "TipAdapter",
            {"TRAINER__TIPADAPTER__AUGMENT_EPOCH": -1},
            "AUGMENT_EPOCH is -1: augmented views",
        ),
        (
            "TCP",
            {"TRAINER__TCP__LAYER": 8},
            "class tokens enter text layer 8 .* has 3 layers; choose LAYER from 1 to 2",
        ),
        ("CLIPLoRA", {"TRAINER__CLIPLORA__PARAMS": "qx"}, "PARAMS is 'qx': give some of the letters q, k, v and o"),
        ("BiomedCoOp", {"TRAINER__BIOMEDCOOP__SENTENCES_FILE": "no.yaml"}, "no.yaml: cannot be read as YAML text"),
        ("CoCoOp", {"TRAINER__COCOOP__PREC": "fp8"}, "PREC is 'fp8': numbers to compute in"),
    ],
)
def test_impossible_options_are_refused_in_a_sentence(world, method, option, message):
    with pytest.raises(UserError, match=message):
        world.run(method, "impossible", **option)


def test_print_freq_0_is_one_line_an_epoch(world, capsys):
    world.run("CoOp", "quiet", TRAIN__PRINT_FREQ=0)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch [")]
    assert [line.partition("time")[0].split() for line in lines] == [
        ["epoch", f"[{epoch}/2]", "batch", f"[{count}/{count}]"]
        for epoch, count in ((1, last(lines)), (2, last(lines)))
    ]


def last(lines: list[str]) -> int:
    """Number of batches, as a log line says it."""
    return int(lines[0].partition("batch [")[2].partition("/")[2].partition("]")[0])
