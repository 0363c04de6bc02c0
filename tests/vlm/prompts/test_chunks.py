"""What is computed together is bounded by a budget over all layers: memory stays flat however many classes there are."""

import pytest
import torch

from speed.memory import Peak
from trainers.cilmp import CILMPModel
from trainers.cocoop import CoCoOpModel


def peak(model, images: int, embed_dim: int) -> tuple[int, int]:
    """Bytes when the forward pass is over, and the most."""
    f = torch.nn.functional.normalize(torch.randn(images, embed_dim), dim=-1)
    with Peak() as found:
        features = model.text_features(f)
        between = found.count()
        features.square().mean().backward()
    return between, found.bytes


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_cilmp_is_flat_beyond_the_budget(tiny_clip, dropout):
    """Rows and context as published: it is their keys and values that grow with the number of classes."""
    sizes = {
        "n_ctx_text": 4,
        "n_ctx_vision": 1,
        "depth_text": 3,
        "depth_vision": 1,
        "prefix": 4,
        "suffix": 4,
        "rank": 2,
    }

    def of(n_cls: int, budget: int) -> tuple[int, int]:
        rows = [torch.randn(32, 64)] * n_cls
        more = {"ctx_init": "a photo of a", "dropout": dropout, "budget": budget}
        model = CILMPModel(tiny_clip, ["nevus"] * n_cls, rows, **sizes, **more)
        return peak(model.train(), 4, tiny_clip.embed_dim)

    budget = 10 << 20
    (first, small), (_, whole), (second, large) = of(64, budget), of(128, 1 << 30), of(128, budget)
    inputs = 64 * (32 * 64 + 4 * tiny_clip.embed_dim) * 4  # rows and features of 64 classes more
    assert whole > 4 * budget
    assert small < 1.1 * budget
    assert large < small + 2 * inputs
    assert second < first + 2 * inputs


def test_cocoop_is_flat_beyond_the_budget(tiny_clip, monkeypatch):
    model = CoCoOpModel(tiny_clip, ["nevus", "melanoma"] * 4, torch.randn(4, tiny_clip.text.width)).train()
    (_, few), (_, many) = peak(model, 4, tiny_clip.embed_dim), peak(model, 32, tiny_clip.embed_dim)
    assert many > 4 * few
    monkeypatch.setattr("trainers.cocoop.BUDGET", few)
    (_, twice), (_, once) = peak(model, 64, tiny_clip.embed_dim), peak(model, 32, tiny_clip.embed_dim)
    features = 32 * 8 * tiny_clip.embed_dim * 4  # of 32 images more, which with their gradients are kept several times
    assert once < 0.5 * many and twice < once + 8 * features
