"""The baselines' text features and gradients against the plain 77-token tower, for any names, lengths and depths."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import baselines
from toolbox.errors import UserError
from trainers.clip_lora import CLIPLoRAModel
from trainers.cocoop import CoCoOpModel
from trainers.coop import CoOpModel
from trainers.ivlp import IVLPModel
from trainers.kgcoop import KgCoOpModel
from trainers.maple import MaPLeModel
from trainers.prograd import ProGradModel
from trainers.tcp import TCPModel
from trainers.vip import ViPModel
from trainers.xcoop import XCoOpModel
from vlm.prompts.class_features import choose_templates, class_features
from vlm.prompts.prompted import PromptedCLIP
from vlm.prompts.templates import IMAGENET_TEMPLATES

NAMES = ["a", "sickle_cell", "basal cell carcinoma", "benign keratosis-like lesions (BKL)", "Drüse, µ-Zelle"]
WORDS = "a photo of a cell in a stained smear"
TEMPLATE = "a photo of a {}."


def build(method: str, clip, names, n_ctx: int, depth: int) -> PromptedCLIP:
    ctx = 0.3 * torch.randn(n_ctx, clip.text.width)
    if method == "CoCoOp":
        return CoCoOpModel(clip, names, ctx)
    if method == "CSC":
        return CoOpModel(clip, names, 0.3 * torch.randn(len(names), n_ctx, clip.text.width), per_class=True)
    if method == "KgCoOp":
        return KgCoOpModel(clip, names, ctx, [TEMPLATE])
    if method == "ProGrad":
        return ProGradModel(clip, names, ctx, [TEMPLATE])
    if method == "TCP":
        return TCPModel(clip, names, ctx, TEMPLATE, layer=min(depth, clip.text.depth - 1))
    if method == "ViP":
        return ViPModel(clip, ctx, [[name, f"a {name}"] for name in names])
    if method == "XCoOp":
        return moved(XCoOpModel(clip, names, names, "a photo of a", copies=1 + depth))
    if method == "CLIPLoRA":
        return moved(CLIPLoRAModel(clip, names, TEMPLATE, position="all", parts="qkv", rank=2, scale=0.5))
    if method == "MaPLe":
        return MaPLeModel(clip, names, WORDS, n_ctx, depth)
    return IVLPModel(clip, names, WORDS, n_ctx, 2, depth, depth)


def moved(model: PromptedCLIP) -> PromptedCLIP:
    """Away from a start where copies are equal, or updates are nothing."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


RIVALS = ["ProGrad", "TCP", "ViP", "XCoOp", "CLIPLoRA"]


@pytest.mark.parametrize("method", ["CoCoOp", "CSC", "KgCoOp", "MaPLe", "IVLP", *RIVALS])
@settings(max_examples=5, deadline=None)
@given(
    names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True),
    n_ctx=st.integers(1, 6),
    depth=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_same_features_and_gradients(tiny_clip, method, names, n_ctx, depth, seed):
    torch.manual_seed(seed)
    model = build(method, tiny_clip, names, n_ctx, depth)
    images = torch.nn.functional.normalize(torch.randn(3, tiny_clip.embed_dim), dim=-1)
    texts = [text for name in names for text in (name, f"a {name}")] if method == "ViP" else names
    ours, plain = model.text_features(images), baselines.text_features(model, texts, images)
    torch.testing.assert_close(ours, plain, atol=1e-5, rtol=0)
    weight = torch.randn_like(ours)
    visual = ("image.", "norms.", "visual", "weight", "bias")  # "weight" and "bias" alone are MaPLe's projections
    parameters = [p for name, p in model.named_parameters() if not name.startswith(visual)]
    gradients = [torch.autograd.grad((f * weight).sum(), parameters) for f in (ours, plain)]
    for ours, plain in zip(*gradients, strict=True):
        assert (ours - plain).abs().max() <= 1e-4 * plain.abs().max().clamp(min=1e-6)


def test_cocoop_in_chunks_is_the_same(tiny_clip, monkeypatch):
    torch.manual_seed(0)
    model = build("CoCoOp", tiny_clip, NAMES, 4, 1)
    images = torch.nn.functional.normalize(torch.randn(5, tiny_clip.embed_dim), dim=-1)
    whole = model.text_features(images)
    expected = torch.autograd.grad(whole.square().sum(-1).mean() + whole.sum(), model.meta_net.linear1.weight)[0]
    monkeypatch.setattr("trainers.cocoop.BUDGET", 2)
    monkeypatch.setattr("trainers.cocoop.kept", lambda *sizes: 1)
    parts = model.text_features(images)
    torch.testing.assert_close(parts, whole)
    found = torch.autograd.grad(parts.square().sum(-1).mean() + parts.sum(), model.meta_net.linear1.weight)[0]
    torch.testing.assert_close(found, expected)
    with torch.no_grad():
        torch.testing.assert_close(model.text_features(images), whole)


def test_features_of_hand_written_prompts(tiny_clip):
    plain = baselines.plain_features(tiny_clip.text, [f"a photo of a {name.replace('_', ' ')}." for name in NAMES])
    torch.testing.assert_close(class_features(tiny_clip, NAMES, ["a photo of a {}."]), plain, atol=1e-5, rtol=0)
    two = [baselines.plain_features(tiny_clip.text, [t.format("cell")]) for t in ("a {}.", "the big {}.")]
    mean = torch.nn.functional.normalize((two[0] + two[1]) / 2, dim=-1)
    torch.testing.assert_close(class_features(tiny_clip, ["cell"], ["a {}.", "the big {}."]), mean, atol=1e-5, rtol=0)


def test_choosing_templates():
    own = ["a smear of a {}.", "a {}."]
    assert choose_templates("first", own, "KEY") == own[:1]
    assert choose_templates("all", own, "KEY") == own
    assert choose_templates("first", None, "KEY") == ["a photo of a {}."]
    assert choose_templates("a {} here.; the {}", own, "KEY") == ["a {} here.", "the {}"]
    assert len(set(choose_templates("imagenet", own, "KEY"))) == 60 and all("{}" in t for t in IMAGENET_TEMPLATES)
    with pytest.raises(UserError, match="KEY: 'any cell' must have exactly one"):
        choose_templates("any cell", own, "KEY")
