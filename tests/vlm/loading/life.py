"""The whole life of a method on a family of backbones: it trains, tests and is loaded again, or says why it cannot."""

import numpy as np
import pytest
import torch

import trainers  # noqa: F401  registers the methods
import vlm
from tests.trainers.small_world import SmallWorld, logits
from tests.vlm.loading.families import Family, features
from toolbox.errors import UserError
from trainers.life.config import methods

METHODS = sorted({m.__name__ for m in methods() if m.__module__.startswith("trainers.")})
VISUAL = {"CILMP", "CLIPLoRA", "IVLP", "MaPLe", "PromptSRC", "VPT", "XCoOp"}
"""Methods that put something between the layers of the image tower."""
DEEP_TEXT = {"CILMP", "CLIPLoRA", "IVLP", "MaPLe", "PromptSRC", "TCP"}
"""Methods that put something between the layers of the text tower."""
TEXTS = ["a photo of a discocyte.", "lung x-ray", "an image of a sickle cell in a photo of a target cell."]
KEYS = {"OPTIM__MAX_EPOCH": 1, "DATALOADER__TRAIN_X__BATCH_SIZE": 16, "INPUT__TRANSFORMS": '("normalize",)'}
KEYS |= {"TRAINER__IVLP__PROMPT_DEPTH_VISION": 2}  # tiny towers have two layers


def compare(family: Family) -> vlm.Backbone:
    """The loaded backbone, whose features are the family's own."""
    clip = vlm.load(family.backbone)
    images = torch.randn(2, 3, family.image_size, family.image_size)
    expected = features(family, images, TEXTS)
    with torch.no_grad():
        found = clip.image(images), clip.text.encode(TEXTS)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert min(torch.pdist(f).min() for f in expected) > 1e-2  # else the comparison would mean little
    assert expected[0].shape[1] == expected[1].shape[1] == clip.embed_dim and clip.image_size == family.image_size
    assert clip.image.takes_prompts == family.takes_visual_prompts
    return clip


def live(world: SmallWorld, family: Family, method: str, name: str, **options) -> None:
    """One epoch of training, then a new trainer that loads what was saved and predicts the same."""
    keys = KEYS | options
    trained = world.run(method, name, backbone=family.backbone, **keys)
    found = logits(trained)
    assert np.isfinite(found).all() and (found != found[0]).any(0).all()  # images differ
    again = world.run(method, f"{name}-2", "--eval-only", "--model-dir", str(trained), backbone=family.backbone, **keys)
    np.testing.assert_array_equal(logits(again), found)


def refused(world: SmallWorld, family: Family, method: str, name: str, says: str) -> None:
    """The method says in one sentence why it does not fit."""
    with pytest.raises(UserError, match=says) as error:
        world.run(method, name, backbone=family.backbone)
    assert "\n" not in str(error.value)
