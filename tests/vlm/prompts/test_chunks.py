"""What is computed together is bounded by a budget over all layers: memory stays flat however many classes there are."""

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trainers.cilmp import CILMPModel
from trainers.cocoop import CoCoOpModel


class Peak(TorchDispatchMode):
    """The most bytes that results of operations held at one time, in the forward and in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.bytes = self.ops = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in (t for t in tree_leaves(out) if isinstance(t, torch.Tensor)):
            storage = tensor.untyped_storage()
            self.alive[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self.ops += 1
        if self.ops % 8 == 0:
            self.alive = {key: kept for key, kept in self.alive.items() if not kept[0].expired()}
            self.bytes = max(self.bytes, sum(size for _, size in self.alive.values()))
        return out


def peak(model, images: int, embed_dim: int) -> int:
    f = torch.nn.functional.normalize(torch.randn(images, embed_dim), dim=-1)
    with Peak() as found:
        model.text_features(f).square().mean().backward()
    return found.bytes


def test_cilmp_is_flat_beyond_the_budget(tiny_clip):
    sizes = {
        "n_ctx_text": 2,
        "n_ctx_vision": 1,
        "depth_text": 3,
        "depth_vision": 1,
        "prefix": 1,
        "suffix": 1,
        "rank": 2,
    }

    def of(n_cls: int, budget: int) -> int:
        rows = [torch.randn(6, 64) for _ in range(n_cls)]
        model = CILMPModel(tiny_clip, ["nevus"] * n_cls, rows, ctx_init="a photo", budget=budget, **sizes)
        return peak(model.train(), 4, tiny_clip.embed_dim)

    budget = 2 * of(16, 1 << 30)
    assert of(64, 1 << 30) > 1.5 * budget
    assert of(32, budget) < budget and of(64, budget) < budget


def test_cocoop_is_flat_beyond_the_budget(tiny_clip, monkeypatch):
    model = CoCoOpModel(tiny_clip, ["nevus", "melanoma"] * 4, torch.randn(4, tiny_clip.text.width)).train()
    few, many = peak(model, 4, tiny_clip.embed_dim), peak(model, 32, tiny_clip.embed_dim)
    assert many > 4 * few
    monkeypatch.setattr("trainers.cocoop.BUDGET", few)
    assert peak(model, 64, tiny_clip.embed_dim) < 1.3 * peak(model, 32, tiny_clip.embed_dim) < 0.6 * many
