"""The prompted towers without prompts are the model as loaded; with them, each saving is exact."""

import open_clip
import pytest
import torch
import torch.nn.functional as F

from vlm.backbone import openai_model
from vlm.towers.block import QuickGELU
from vlm.towers.text import ContextLayout
from vlm.towers.tokens import NameTokens

TEXTS = ["a photo of a melanoma.", "a dermoscopic photo of a benign keratosis-like lesion, a type of skin lesion.", "x"]


@pytest.fixture(scope="module")
def loaded(tiny_state):
    return openai_model(tiny_state)


def test_image_features(tiny_clip, loaded):
    images = torch.randn(3, 3, 32, 32)
    expected = F.normalize(loaded.encode_image(images), dim=-1)
    torch.testing.assert_close(tiny_clip.image(images), expected, atol=1e-5, rtol=0)


def test_text_features(tiny_clip, loaded):
    tokens = open_clip.SimpleTokenizer()(TEXTS, context_length=77)
    expected = F.normalize(loaded.encode_text(tokens), dim=-1)
    torch.testing.assert_close(tiny_clip.text.encode(TEXTS), expected, atol=1e-5, rtol=0)


def test_learned_words_are_the_words(tiny_clip):
    """A context that holds the embedding of "a photo of a" gives that text's features, wherever it is shared or not."""
    text, names = tiny_clip.text, ["melanoma", "basal cell carcinoma"]
    ctx = text.embed(text.vocabulary.encode("a photo of a"))
    expected = text.encode([f"a photo of a {name}." for name in names])
    pieces = NameTokens(text.vocabulary, names, 4)
    shared = text(ctx, ContextLayout(text, pieces, 4))
    own = text(ctx.expand(2, -1, -1), ContextLayout(text, pieces, 4, per_class=True))
    per_image = text(ctx.expand(3, -1, -1), ContextLayout(text, pieces, 4))
    torch.testing.assert_close(shared, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(own, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(per_image, expected.expand(3, -1, -1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("position", ["middle", "front"])
def test_words_around_the_name(tiny_clip, position):
    text, name = tiny_clip.text, "melanoma"
    ctx = text.embed(text.vocabulary.encode("a photo of a"))
    features = text(ctx, ContextLayout(text, NameTokens(text.vocabulary, [name], 4), 4, position))
    words = {"middle": f"a photo {name} of a.", "front": f"{name} a photo of a."}[position]
    torch.testing.assert_close(features, text.encode([words]), atol=1e-5, rtol=0)


def test_quick_gelu_gradient():
    x = torch.randn(50, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(QuickGELU.apply, x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near(tiny_state, tiny_clip, dtype):
    from vlm.backbone import from_open_clip_model

    half = from_open_clip_model("half", openai_model(dict(tiny_state))).cast(dtype)
    images = torch.randn(2, 3, 32, 32)
    assert F.cosine_similarity(half.image(images), tiny_clip.image(images)).min() > 0.995
    assert F.cosine_similarity(half.text.encode(TEXTS), tiny_clip.text.encode(TEXTS)).min() > 0.995
    assert half.image.blocks[0].ln_1.weight.dtype == torch.float32
