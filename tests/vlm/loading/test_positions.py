"""Another image size than the backbone's own: resized only if asked, as open_clip does it, and known to the configuration."""

import open_clip
import pytest
import torch
import torch.nn.functional as F

import vlm
from tests.trainers.small_world import SmallWorld, result
from tests.vlm.loading.families import open_clip_folder, pmc_clip
from toolbox.errors import UserError


def test_as_open_clip_resizes(tmp_path):
    folder = open_clip_folder(tmp_path).backbone
    theirs = open_clip.create_model(f"local-dir:{folder}", force_image_size=48).eval()
    clip = vlm.load(folder, image_size=48)
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(
            clip.image(images), F.normalize(theirs.encode_image(images), dim=-1), atol=1e-5, rtol=0
        )
    own = vlm.load(folder)
    assert (clip.image_size, own.image_size) == (48, 32) and clip.weights_hash != own.weights_hash


def test_resnet(tmp_path):
    """Its grid is 1/32 of the image."""
    folder = pmc_clip(tmp_path).backbone
    clip = vlm.load(folder, image_size=96)
    assert clip.image.visual.attnpool.positional_embedding.shape[0] == 1 + 9
    with torch.no_grad():
        assert clip.image(torch.randn(1, 3, 96, 96)).shape == (1, clip.embed_dim)


def test_a_size_between_patches_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"IMAGE_SIZE 42: .* sees patches of 8 pixels; choose a multiple, such as 40"):
        vlm.load(open_clip_folder(tmp_path).backbone, image_size=42)


def test_in_a_run(tmp_path, tiny_state):
    world = SmallWorld(tmp_path, tiny_state)
    folder = world.run("ZeroshotCLIP", "resized", MODEL__BACKBONE__IMAGE_SIZE=40)
    assert result(folder)["transform"].startswith("40 px")
    with pytest.raises(UserError, match=r"INPUT.SIZE is \(40, 40\) but backbone .* takes \(32, 32\)"):
        world.run("ZeroshotCLIP", "clash", INPUT__SIZE="(40, 40)")
    with pytest.raises(UserError, match=r"INPUT.PIXEL_MEAN is .* but backbone .* was trained with"):
        world.run("ZeroshotCLIP", "mean", INPUT__PIXEL_MEAN="[0.5, 0.5, 0.5]")
