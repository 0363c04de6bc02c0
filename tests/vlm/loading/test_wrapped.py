"""Checkpoints as programs leave them: wrapped, with prefixes, beside scores, in several files; and what is wrong with some."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import vlm
from tests.vlm.loading.families import hugging_face_clip
from toolbox.errors import UserError


def prefixed(prefix: str, state: dict) -> dict:
    return {prefix + key: value for key, value in state.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"state_dict": prefixed("_orig_mod.module.", s)},
        lambda s: {"model": prefixed("module._orig_mod.", s), "optimizer": {"state": {}}},
        lambda s: {"model_state_dict": prefixed("clip_model.", s), "epoch": 3},
        lambda s: {"model": {"state_dict": prefixed("module.clip_model.", s)}},
        lambda s: {**s, "logit_scale": s["logit_scale"].reshape(1)},
        lambda s: {"state_dict": s, "best": np.float64(0.9), "epoch": np.int64(3)},
    ],
    ids=["compiled in parallel", "parallel compiled", "wrapper", "nested", "scale of shape (1,)", "NumPy scores"],
)
def test_the_weights_are_found(wrap, tiny_state, tiny_clip, tmp_path):
    torch.save(wrap(tiny_state), tmp_path / "tuned.pth")
    assert vlm.load(str(tmp_path / "tuned.pth")).weights_hash == tiny_clip.weights_hash


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(value, tiny_state, tmp_path):
    bad = tiny_state["ln_final.bias"].clone()
    bad[1] = value
    save_file({**tiny_state, "ln_final.bias": bad}, tmp_path / "spoilt.safetensors")
    with pytest.raises(UserError, match=r"spoilt\.safetensors: .*ln_final\.bias holds NaN or infinite numbers"):
        vlm.load(str(tmp_path / "spoilt.safetensors"))


@pytest.mark.parametrize(
    "change",
    [
        {"visual.conv1.weight": torch.ones(3)},
        {"visual.positional_embedding": torch.ones(())},
        {"ln_final.weight": torch.ones(1)},
        {"text_projection": torch.ones(2)},
        {"logit_scale": torch.ones(2)},
        {"visual.transformer.resblocks.x": torch.ones(2)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_shapes_that_are_no_models(change, tiny_state, tmp_path):
    save_file({**tiny_state, **change}, tmp_path / "odd.safetensors")
    with pytest.raises(UserError, match=r"odd\.safetensors"):
        vlm.load(str(tmp_path / "odd.safetensors"))


@pytest.fixture
def sharded(tmp_path):
    """A Hugging Face CLIP whose weights lie in two files; the folder, and the hash of the same in one."""
    whole = vlm.load(hugging_face_clip(tmp_path).backbone).weights_hash
    state = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    where = {key: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, key in enumerate(state)}
    for file in set(where.values()):
        save_file({key: state[key].clone() for key in state if where[key] == file}, tmp_path / file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    vlm.loading.load._read.cache_clear()
    vlm.loading.load._as.cache_clear()
    return tmp_path, whole


def test_weights_in_several_files(sharded):
    folder, whole = sharded
    assert vlm.load(str(folder)).weights_hash == whole


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("../../secret.safetensors", r"'\.\./\.\./secret\.safetensors' cannot be the name"),
        ("absent.safetensors", "no absent.safetensors, which .* names"),
        ("model-00002-of-00002.safetensors", "lacks .*, which .* names"),
    ],
)
def test_an_index_that_names_other_files(sharded, file, says):
    index = sharded[0] / "model.safetensors.index.json"
    where = json.loads(index.read_text())["weight_map"]
    only = {key: name.replace("00001-of", "00002-of") for key, name in where.items()}
    only["logit_scale"] = file
    index.write_text(json.dumps({"weight_map": only}))
    with pytest.raises(UserError, match=says):
        vlm.load(str(sharded[0]))
