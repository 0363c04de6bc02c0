"""`clip.build_model` with design_details: the model that was asked for, or one sentence."""

import pytest
import torch
import torch.nn.functional as F

from clip import clip
from clip.model import ModifiedResNet, ResidualAttentionBlock, VisionTransformer
from toolbox.errors import UserError
from trainers.ivlp import IVLPModel
from trainers.maple import MaPLeModel

NAMES = ["mature lymphocyte", "mast cell"]
WORDS = 2
IVLP = {"trainer": "IVLP", "vision_depth": 2, "language_depth": 2, "vision_ctx": 3, "language_ctx": WORDS}
MAPLE = {"trainer": "MaPLe", "vision_depth": 0, "language_depth": 0, "vision_ctx": 0, "language_ctx": 0}
MAPLE |= {"maple_length": WORDS}


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def tokens_with(model: clip.CLIP, first: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens of the first text layer (length, classes, width), as a trainer makes them, and where each is read."""
    texts = clip.tokenize([f"a photo {name}." for name in NAMES])
    x = model.token_embedding(texts)
    x = torch.cat([x[:, :1], first.expand(len(x), -1, -1), x[:, 1 + WORDS :]], dim=1) + model.positional_embedding
    return x.permute(1, 0, 2), texts.argmax(dim=-1)


def read(model: clip.CLIP, x: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    x = model.ln_final(x.permute(1, 0, 2))
    return F.normalize(x[torch.arange(len(x)), end] @ model.text_projection, dim=-1)


def own_model(tiny_clip, depth_vision: int) -> IVLPModel:
    torch.manual_seed(2)
    return IVLPModel(tiny_clip, NAMES, "a photo", WORDS, 3, 2, depth_vision)


@torch.no_grad()
@pytest.mark.parametrize("trainer", ["IVLP", "VPT"])
def test_prompts_of_each_layer_stand_where_ours_do(trainer, tiny_state, tiny_clip, images):
    ours = own_model(tiny_clip, 2)
    model = clip.build_model(tiny_state, IVLP | {"trainer": trainer}, half=False)
    prompts = {name: value for name, value in model.named_parameters() if "VPT" in name}
    assert set(prompts) == {
        "visual.VPT",
        "visual.transformer.resblocks.1.VPT_shallow",
        "transformer.resblocks.1.VPT_shallow",
    }
    assert all(0 < value.std() < 0.03 for value in prompts.values())
    for name, value in zip(prompts, (*ours.visual.vectors, ours.text.vectors[1]), strict=True):
        prompts[name].copy_(value)
    assert torch.allclose(
        F.normalize(model.encode_image(images), dim=-1), tiny_clip.image(images, ours.visual.vectors), atol=1e-5
    )
    x, end = tokens_with(model, ours.text.vectors[0])
    assert torch.allclose(read(model, model.transformer(x), end), ours.text_features(None), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("trainer", ["MaPLe", "CoPrompt"])
def test_prompts_handed_to_both_towers_stand_where_ours_do(trainer, tiny_state, tiny_clip, images):
    torch.manual_seed(2)
    ours = MaPLeModel(tiny_clip, NAMES, "a photo", WORDS, 2)
    model = clip.build_model(tiny_state, MAPLE | {"trainer": trainer}, half=False)
    vision = ours.visual_prompts()
    features = model.visual(images, vision[0], list(vision[1:]))
    assert torch.allclose(F.normalize(features, dim=-1), tiny_clip.image(images, vision), atol=1e-5)
    x, end = tokens_with(model, ours.text.vectors[0])
    x, deeper, used = model.transformer([x, list(ours.text.vectors[1:]), 0])
    assert used == len(deeper) == 1
    assert torch.allclose(read(model, x, end), ours.text_features(None), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(
    "details",
    [
        None,
        {"trainer": "CoOp", "vision_depth": 0, "language_depth": 0, "vision_ctx": 0, "language_ctx": 0},
        {"trainer": "IVLP", "vision_depth": 0, "language_depth": 0, "vision_ctx": 0, "language_ctx": 0},
    ],
)
def test_details_without_depth_are_plain_clip(details, tiny_state, tiny_clip, images):
    model = clip.build_model(tiny_state, details, half=False)
    assert set(model.state_dict()) == set(tiny_state)
    assert isinstance(model.visual, VisionTransformer) and not isinstance(model.visual, ModifiedResNet)
    assert type(model.transformer.resblocks[1]) is ResidualAttentionBlock
    assert torch.allclose(F.normalize(model.encode_image(images), dim=-1), tiny_clip.image(images), atol=1e-5)


def test_prompts_train_and_only_they_are_new(tiny_state, images):
    model = clip.build_model(tiny_state, IVLP).float()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("VPT" in name)
    model.encode_image(images).square().sum().backward()
    assert model.visual.VPT.grad.abs().sum() > 0
    assert model.visual.transformer.resblocks[1].VPT_shallow.grad.abs().sum() > 0
    again = clip.build_model(model.state_dict(), IVLP, half=False)
    assert torch.equal(again.visual.VPT, model.visual.VPT)


@pytest.mark.parametrize(
    "details, message",
    [
        (False, "a dictionary; False is none.*half=False"),
        ("fp16", "a dictionary; 'fp16' is none"),
        (IVLP | {"trainer": "TCP"}, r"trainer 'TCP'.*CoCoOp.*clip/ folder"),
        ({"vision_depth": 9}, "trainer None"),
        ({"trainer": "IVLP", "vision_depth": 9}, "lack language_ctx"),
        (MAPLE | {"maple_length": -1}, "maple_length.*-1, not a whole number"),
        (IVLP | {"vision_ctx": 2.5}, "vision_ctx.*2.5"),
        (IVLP | {"adapter": 4}, "'adapter', which the bundled CLIP does not know"),
        (IVLP | {"trainer": "CoOp"}, "CoOp with prompts in the towers"),
        ({key: value for key, value in MAPLE.items() if key != "maple_length"}, "MaPLe lack maple_length"),
    ],
)
def test_what_is_not_built_is_one_sentence(details, message, tiny_state):
    with pytest.raises(UserError, match=message):
        clip.build_model(tiny_state, details)


@pytest.mark.parametrize("details", [IVLP, MAPLE])
def test_a_resnet_has_no_place_for_prompts(details):
    import open_clip
    from open_clip.model import CLIPTextCfg, CLIPVisionCfg

    text = CLIPTextCfg(context_length=77, vocab_size=100, width=64, heads=1, layers=2)
    resnet = open_clip.CLIP(32, CLIPVisionCfg(layers=(1, 1, 1, 1), width=8, image_size=64), text, quick_gelu=True)
    with pytest.raises(UserError, match="choose a ViT"):
        clip.build_model(resnet.state_dict(), details)
    assert isinstance(clip.build_model(resnet.state_dict(), IVLP | {"vision_depth": 0}).visual, ModifiedResNet)
