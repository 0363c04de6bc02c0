"""The fast text branch of CILMP against the plain one, over random shapes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import cilmp as oracle
from toolbox.errors import UserError
from trainers.cilmp import CILMPModel
from vlm.towers.tokens import NameTokens

NAMES = ["melanoma", "basal cell carcinoma", "nevus", "benign keratosis-like lesions", "a (b)", "polyps"]


def make(clip, names, rows, **changes) -> CILMPModel:
    sizes = {
        "n_ctx_text": 4,
        "n_ctx_vision": 2,
        "depth_text": 3,
        "depth_vision": 3,
        "prefix": 1,
        "suffix": 1,
        "rank": 4,
    }
    return CILMPModel(clip, names, rows, ctx_init="a photo of a", **{**sizes, **changes})


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_fast_equals_plain(tiny_clip, data):
    n = data.draw(st.integers(1, 5), label="n_cls")
    prefix, suffix = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    lengths = data.draw(st.lists(st.integers(max(prefix + suffix, 1), 12), min_size=n, max_size=n), label="rows")
    dim = data.draw(st.sampled_from([5, 16, 48]), label="llm_dim")
    torch.manual_seed(data.draw(st.integers(0, 9)))
    rows = [torch.randn(length, dim) for length in lengths]
    names = data.draw(st.permutations(NAMES))[:n]
    model = make(
        tiny_clip,
        names,
        rows,
        n_ctx_text=data.draw(st.integers(1, 4)),
        depth_text=data.draw(st.integers(1, 3), label="depth_text"),
        depth_vision=data.draw(st.integers(1, 3), label="depth_vision"),
        prefix=prefix,
        suffix=suffix,
        rank=data.draw(st.sampled_from([1, 4]), label="rank"),
    ).eval()
    images = torch.randn(data.draw(st.integers(1, 3), label="batch"), 3, 32, 32)
    pieces = NameTokens(tiny_clip.text.vocabulary, names).whole
    fast, plain = model(images), oracle.logits(model, rows, pieces, images)
    torch.testing.assert_close(fast, plain, atol=2e-5, rtol=0)
    weights = torch.randn_like(fast)
    parameters = dict(model.named_parameters())
    ours = torch.autograd.grad((fast * weights).sum(), parameters.values(), allow_unused=True)
    theirs = torch.autograd.grad((plain * weights).sum(), parameters.values(), allow_unused=True)
    for name, a, b in zip(parameters, ours, theirs, strict=True):
        a, b = (torch.zeros_like(parameters[name]) if g is None else g for g in (a, b))
        assert (a - b).abs().max() <= 2e-4 * b.abs().max().clamp_min(1e-3), name


def test_no_rows_at_all(tiny_clip):
    rows = [torch.zeros(0, 8)] * 2
    model = make(tiny_clip, NAMES[:2], rows, prefix=0, suffix=0).eval()
    images = torch.randn(2, 3, 32, 32)
    pieces = NameTokens(tiny_clip.text.vocabulary, NAMES[:2]).whole
    torch.testing.assert_close(model(images), oracle.logits(model, rows, pieces, images), atol=2e-5, rtol=0)


def test_a_small_budget_changes_nothing(tiny_clip):
    torch.manual_seed(0)
    rows = [torch.randn(6, 16) for _ in NAMES]
    model = make(tiny_clip, NAMES, rows).eval()
    images, labels = torch.randn(5, 3, 32, 32), torch.arange(5)
    logits, loss = model.loss(images, labels)
    whole = torch.autograd.grad(loss, list(model.parameters()))
    model.text.budget = 1
    chunked_logits, loss = model.loss(images, labels)
    torch.testing.assert_close(chunked_logits, logits, atol=1e-5, rtol=0)
    for a, b in zip(torch.autograd.grad(loss, list(model.parameters())), whole, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("per_image", [False, True])
def test_dropout_keeps_the_mean_and_masks_as_asked(tiny_clip, per_image):
    """One mask a batch treats equal images alike; one an image does not; either averages to no dropout."""
    torch.manual_seed(0)
    rows = [torch.randn(4, 16) for _ in range(2)]
    model = make(tiny_clip, NAMES[:2], rows, dropout=0.3, dropout_per_image=per_image).train()
    features = torch.nn.functional.normalize(torch.randn(1, 64), dim=-1).expand(3, -1)

    def moved_rows() -> torch.Tensor:
        (part,) = model.text._cut_classes()
        prepared, _ = model.text._prepare(part, len(features))
        return model.text._moved(features, part, prepared)

    with torch.no_grad():
        moved = moved_rows()
        alike = torch.equal(moved[:, 0], moved[:, 1])
        assert alike is not per_image
        mean = torch.stack([moved_rows() for _ in range(3000)]).mean(0)
        model.eval()
        torch.testing.assert_close(mean, moved_rows(), atol=0.15, rtol=0.1)


def test_rows_that_do_not_fit_are_refused(tiny_clip):
    with pytest.raises(UserError, match="class 'nevus' has 3 rows, fewer than PREFIX_LENGTH"):
        make(tiny_clip, ["melanoma", "nevus"], [torch.randn(8, 4), torch.randn(3, 4)], prefix=2, suffix=2)
    with pytest.raises(UserError, match=r"class 'nevus': its prompt needs 8[0-9] positions"):
        make(tiny_clip, ["melanoma", "nevus"], [torch.randn(8, 4), torch.randn(75, 4)])
    with pytest.raises(UserError, match="rows 5 wide, the first class 4"):
        make(tiny_clip, ["melanoma", "nevus"], [torch.randn(8, 4), torch.randn(8, 5)])
    with pytest.raises(UserError, match="text prompt depth is 9 but the text tower has 3 layers"):
        make(tiny_clip, ["melanoma"], [torch.randn(8, 4)], depth_text=9)
