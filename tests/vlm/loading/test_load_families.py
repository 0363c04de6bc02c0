"""Every family: features equal its own forward pass, and CoOp, MaPLe and CILMP live on it."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch

import trainers  # noqa: F401  registers the methods
import vlm
from tests.trainers.small_world import CLASSES, SmallWorld, logits, result
from tests.vlm.loading.families import FAMILIES, MEAN, Family, biomedclip, features, hugging_face_clip
from toolbox.errors import UserError
from trainers.life.config import methods
from vlm.loading import unimed
from vlm.towers.block import unit

TEXTS = ["a photo of a discocyte.", "lung x-ray", "an image of a sickle cell in a photo of a target cell."]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory) -> Iterator[Family]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unimed, "MODELS", dict(unimed.MODELS))
        patch.setattr(unimed, "TEXT", dict(unimed.TEXT))
        yield FAMILIES[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def world(tmp_path_factory, tiny_state) -> SmallWorld:
    return SmallWorld(tmp_path_factory.mktemp("world"), tiny_state)


def compare(family: Family) -> vlm.Backbone:
    clip = vlm.load(family.backbone)
    images = torch.randn(2, 3, family.image_size, family.image_size)
    expected = features(family, images, TEXTS)
    with torch.no_grad():
        found = clip.image(images), clip.text.encode(TEXTS)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert min(torch.pdist(f).min() for f in expected) > 1e-2  # else the comparison would mean little
    assert expected[0].shape[1] == expected[1].shape[1] == clip.embed_dim and clip.image_size == family.image_size
    return clip


def test_features_are_the_familys_own(family):
    compare(family)


def test_biomedclip_in_safetensors(tmp_path):
    clip = compare(biomedclip(tmp_path, ".safetensors"))
    assert not clip.text.causal and clip.text.vocabulary.context_length == 48
    assert clip.mean == tuple(MEAN)


def test_hugging_face_clip_with_gelu(tmp_path):
    assert compare(hugging_face_clip(tmp_path, "gelu")).mean == tuple(MEAN)


@pytest.mark.parametrize("method", ["CoOp", "MaPLe", "CILMP"])
def test_life_cycle(family, world: SmallWorld, method, request):
    """One epoch of training moves every trained tensor, and a new trainer that loads them predicts the same."""
    name = f"{request.node.callspec.params['family']}-{method}"
    run = partial(world.run, method, backbone=family.backbone)
    if method != "CoOp" and not family.takes_visual_prompts:
        with pytest.raises(UserError, match="ResNet image tower, which takes no visual prompts"):
            run(name)
        return
    keys = {"OPTIM__MAX_EPOCH": 1, "DATALOADER__TRAIN_X__BATCH_SIZE": 16, "INPUT__TRANSFORMS": '("normalize",)'}
    trained = run(name, **keys)
    again = run(f"{name}-2", "--eval-only", "--model-dir", str(trained), **keys)
    np.testing.assert_array_equal(logits(again), logits(trained))
    state = torch.load(next(trained.glob("*/model.pth.tar-1")), weights_only=True)
    moved = [m["momentum_buffer"].abs().max() > 0 for m in state["optimizer"]["state"].values()]
    assert len(moved) == len(state["state_dict"]) and all(moved)
    assert result(trained)["classnames"] == list(CLASSES) and result(trained)["backbone"] == family.backbone


OTHERS = sorted({m.__name__ for m in methods() if m.__module__.startswith("trainers.")} - {"CoOp", "MaPLe", "CILMP"})


@pytest.fixture(scope="module")
def biomed(tmp_path_factory) -> Family:
    return biomedclip(tmp_path_factory.mktemp("biomed"))


@pytest.mark.parametrize("method", OTHERS)
def test_every_other_method_on_biomedclip(biomed, world, method):
    keys = {"OPTIM__MAX_EPOCH": 1, "DATALOADER__TRAIN_X__BATCH_SIZE": 16, "INPUT__TRANSFORMS": '("normalize",)'}
    folder = world.run(method, f"biomed-{method}", backbone=biomed.backbone, **keys)
    assert np.isfinite(logits(folder)).all() and (logits(folder) != logits(folder)[0]).any(0).all()  # images differ


def test_half_precision_copy(family):
    """A copy in bfloat16: matrices are cast, norms and the temperature are not, and the original stays as it is."""
    clip = vlm.load(family.backbone)
    copy = vlm.load(family.backbone, "cpu", torch.bfloat16)
    assert copy is not clip and copy is vlm.load(family.backbone, "cpu", torch.bfloat16)
    assert {clip.text.dtype, clip.image.dtype} == {torch.float32} and {copy.text.dtype, copy.image.dtype} == {
        torch.bfloat16
    }
    assert copy.logit_scale.dtype == torch.float32 and copy.weights_hash == clip.weights_hash
    with torch.no_grad():
        ours, theirs = copy.text.encode(TEXTS), clip.text.encode(TEXTS)
    assert (unit(ours) * theirs).sum(1).min() > 0.98
