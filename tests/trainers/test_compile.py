"""torch.compile takes every method's loss in one piece, and its gradients are those of the loss as it is written.

Only backends that keep torch's own kernels are tried: inductor on a CPU was seen to give wrong gradients without a word.
"""

import pytest
import torch

from speed.launches import build, random_rows
from trainers.life.config import methods
from vlm.backbone import from_open_clip_model, openai_model
from vlm.loading.random_clip import random_state

NAMES = ["melanoma", "nevus", "basal cell carcinoma"]
SIZES = {
    "embed_dim": 64,
    "image_resolution": 32,
    "vision_layers": 2,
    "vision_width": 64,
    "vision_patch_size": 16,
    "context_length": 77,
    "vocab_size": 49408,
    "transformer_width": 64,
    "transformer_layers": 2,
}
METHODS = {m.__name__: m for m in methods() if m.trains}


@pytest.fixture(scope="module")
def clip():
    return from_open_clip_model("two narrow layers", openai_model(random_state(SIZES, 0)))


@pytest.mark.parametrize(
    ("name", "backend"), [*((name, "aot_eager") for name in sorted(METHODS)), ("CILMP", "eager"), ("MaPLe", "eager")]
)
def test_in_one_piece(clip, name, backend, tmp_path, monkeypatch):
    method = METHODS[name]
    random = ("DROPOUT", "NOISE")
    shallow = {key: 2 if "DEPTH" in key else 0.0 if key in random else v for key, v in method.defaults.items()}
    monkeypatch.setattr(method, "defaults", shallow)
    model = build(method, clip, NAMES, random_rows(NAMES, tmp_path, width=16)).train()
    images, labels, trained = torch.randn(2, 3, 32, 32), torch.tensor([0, 1]), list(model.parameters())
    loss = model.loss(images, labels)[1]
    expected = torch.autograd.grad(loss, trained)
    torch._dynamo.reset()
    compiled = torch.compile(model.loss, fullgraph=True, backend=backend)(images, labels)[1]
    torch.testing.assert_close(compiled, loss)
    for found, gradient in zip(torch.autograd.grad(compiled, trained), expected, strict=True):
        torch.testing.assert_close(found, gradient, atol=1e-6, rtol=1e-5)
