"""SigLIP, CLIPA, MobileCLIP, EVA-CLIP, ConvNeXt and MetaCLIP 2: features are open_clip's own, and methods live on them."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

import vlm
from tests.trainers.small_world import SmallWorld, logits
from tests.vlm.loading.families import Family
from tests.vlm.loading.life import KEYS, METHODS, VISUAL, compare, live, refused
from tests.vlm.loading.open_clip_families import OPEN_CLIP_FAMILIES, siglip
from toolbox.errors import UserError
from vlm.towers.block import unit


@pytest.fixture(scope="module", params=OPEN_CLIP_FAMILIES)
def family(request, tmp_path_factory) -> Family:
    return OPEN_CLIP_FAMILIES[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def world(tmp_path_factory, tiny_state) -> SmallWorld:
    return SmallWorld(tmp_path_factory.mktemp("world"), tiny_state)


@pytest.fixture(scope="module")
def tiny_siglip(tmp_path_factory) -> Iterator[Family]:
    yield siglip(tmp_path_factory.mktemp("siglip"))


def test_features_are_open_clips_own(family):
    compare(family)


def test_half_precision_copy(family):
    clip, half = vlm.load(family.backbone), vlm.load(family.backbone, "cpu", torch.bfloat16)
    images = torch.randn(2, 3, family.image_size, family.image_size)
    with torch.no_grad():
        assert (unit(half.image(images)) * clip.image(images)).sum(1).min() > 0.98
        assert (unit(half.text.encode(["lung x-ray"])) * clip.text.encode(["lung x-ray"])).sum(1).min() > 0.98


@pytest.mark.parametrize("method", ["CoOp", "MaPLe", "CILMP", "TCP"])
def test_life_cycle(family, world, method, request):
    name = f"{request.node.callspec.params['family']}-{method}"
    if method in VISUAL and not family.takes_visual_prompts:
        refused(
            world, family, method, name, "image tower, which takes no visual prompts; choose a ViT, such as ViT-B/16"
        )
    else:
        live(world, family, method, name)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_on_siglip(tiny_siglip, world, method):
    if method == "XCoOp":
        refused(
            world, tiny_siglip, method, method, "pools its image tokens; this method reads CLS and each patch alike"
        )
    else:
        live(world, tiny_siglip, method, f"every-{method}")


def test_learned_words_are_the_words(tiny_siglip):
    """Without a start token a context stands at the first position: its words' embeddings give the words' features."""
    from vlm.towers.text import ContextLayout
    from vlm.towers.tokens import NameTokens

    text = vlm.load(tiny_siglip.backbone).text
    pieces = text.vocabulary.encode("a photo of")
    layout = ContextLayout(text, NameTokens(text.vocabulary, ["sickle cell", "lung"], len(pieces)), len(pieces))
    found = text(text.embed(pieces), layout)
    torch.testing.assert_close(found, text.encode(["a photo of sickle cell", "a photo of lung"]), atol=1e-5, rtol=0)


def test_the_bias_enters_logits(tiny_siglip, world):
    clip = vlm.load(tiny_siglip.backbone)
    found = logits(world.run("ZeroshotCLIP", "bias", backbone=tiny_siglip.backbone, **KEYS))
    assert clip.logit_bias.item() == -10
    assert np.abs(found + 10).max() <= clip.logit_scale.exp().item() * 1.001  # cosines alone are within the scale


def test_another_image_size(tiny_siglip, tmp_path):
    assert vlm.load(tiny_siglip.backbone, image_size=48).image.positional_embedding.shape == (36, 64)
    folder = OPEN_CLIP_FAMILIES["convnext"](tmp_path).backbone
    with pytest.raises(UserError, match="has a ConvNeXt image tower, which takes images of 64 pixels alone"):
        vlm.load(folder, image_size=96)


def test_heat_maps_need_cls(tiny_siglip):
    from vlm.prompts.explain import relevance
    from vlm.prompts.prompted import PromptedCLIP

    with pytest.raises(UserError, match="has no CLS that reads patch tokens; heat maps need a ViT that has"):
        relevance(PromptedCLIP(vlm.load(tiny_siglip.backbone)), torch.zeros(1, 3, 32, 32))
