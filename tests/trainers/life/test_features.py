"""Features of frozen image towers: computed once, shared by methods, kept on disk on request, never used when stale."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.trainers.small_world import logits
from trainers.life import features
from vlm.towers.vision import ViT


@pytest.fixture
def image_batches(monkeypatch) -> Iterator[list[int]]:
    """Sizes of the batches that pass through the image tower; starts with nothing in memory."""
    sizes, forward = [], ViT.forward

    def counting(self, images, *rest, **options):
        sizes.append(len(images))
        return forward(self, images, *rest, **options)

    monkeypatch.setattr(ViT, "forward", counting)
    features._memory.clear()
    yield sizes
    features._memory.clear()


def test_methods_and_seeds_share_them(world, image_batches):
    world.run("ZeroshotCLIP", "features-a", "--eval-only")
    assert sum(image_batches) == 12
    world.run("CoOp", "features-b", "--eval-only")
    world.run("CoCoOp", "features-c", "--eval-only", SEED=2)
    assert sum(image_batches) == 12
    world.run("MaPLe", "features-d", "--eval-only")  # has visual prompts
    assert sum(image_batches) == 24


def test_same_logits_as_without(world, image_batches, monkeypatch):
    kept = world.run("CoOp", "features-kept", "--eval-only")
    monkeypatch.setattr(features, "suffice", lambda trainer: False)
    plain = world.run("CoOp", "features-plain", "--eval-only")
    np.testing.assert_allclose(logits(kept), logits(plain), atol=1e-6)


def test_on_disk_for_later_processes(world, image_batches, tmp_path, capsys):
    keys = {"DATALOADER__CACHE_FEATURES": True, "DATALOADER__CACHE_DIR": tmp_path}
    first = world.run("ZeroshotCLIP", "features-disk-a", "--eval-only", **keys)
    (file,) = tmp_path.glob("*.safetensors")
    features._memory.clear()
    second = world.run("ZeroshotCLIP", "features-disk-b", "--eval-only", **keys)
    assert sum(image_batches) == 12
    np.testing.assert_array_equal(logits(first), logits(second))

    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    features._memory.clear()
    third = world.run("ZeroshotCLIP", "features-disk-c", "--eval-only", **keys)
    assert sum(image_batches) == 24 and "is damaged: computed again" in capsys.readouterr().out
    np.testing.assert_array_equal(logits(first), logits(third))


def test_features_from_disk_are_aligned_whatever_the_header_is_long(tmp_path):
    values = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    for length in range(0, 64, 8):
        meta = {"sha256": features._digest(values), "backbone": "x" * length}
        save_file({"features": values}, tmp_path / "kept.safetensors", metadata=meta)
        read = features._read(tmp_path / "kept.safetensors", 4)
        assert torch.equal(read, values) and read.data_ptr() % 64 == 0


@pytest.mark.parametrize("change", ["image", "precision", "transform"])
def test_anything_else_than_the_same_is_computed_anew(world, image_batches, change):
    world.run("ZeroshotCLIP", f"features-{change}-a", "--eval-only")
    assert sum(image_batches) == 12
    keys = {"precision": {"TRAINER__ZSCLIP__PREC": "bf16"}, "transform": {"INPUT__INTERPOLATION": "bilinear"}}
    path = world.root / "cells" / "test_0_0.png"
    before = path.read_bytes()
    if change == "image":
        Image.new("RGB", (40, 40), (1, 2, 3)).save(path)
    try:
        world.run("ZeroshotCLIP", f"features-{change}-b", "--eval-only", **keys.get(change, {}))
    finally:
        path.write_bytes(before)
    assert sum(image_batches) == 24


def test_a_model_with_a_forward_of_its_own_is_not_bypassed(world, image_batches, monkeypatch):
    from trainers.coop import CoOp, CoOpModel

    class Halved(CoOpModel):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images) / 2

    whole = world.run("CoOp", "features-whole", "--eval-only")
    make_model = CoOp.make_model

    def halved(self, clip, classnames):
        return Halved(clip, classnames, make_model(self, clip, classnames).ctx.detach())

    monkeypatch.setattr(CoOp, "make_model", halved)
    half = world.run("CoOp", "features-half", "--eval-only")
    np.testing.assert_allclose(logits(half), logits(whole) / 2, atol=1e-6)


def test_views_are_shared_by_methods_that_draw_the_same(world, image_batches):
    world.run("CLAP", "features-views-a", TRAINER__CLAP__VIEWS=3)
    assert sum(image_batches) == 3 * 16 + 12
    world.run("LPPlusPlus", "features-views-b")
    assert sum(image_batches) == 3 * 16 + 12 + 8, "validation images alone are new"
    world.run("CLAP", "features-views-c", TRAINER__CLAP__VIEWS=3, SEED=2)
    assert sum(image_batches) == 2 * 3 * 16 + 12 + 8


def test_a_view_is_the_same_for_its_number_and_seed_and_draws_nothing(world, image_batches, monkeypatch):
    from trainers.clap import CLAP

    seen = {}

    def look(self):
        items = self.dm.dataset.train_x
        before = torch.get_rng_state()
        seen[self.cfg.SEED] = first, second = [self.view(items, number).values for number in (0, 1)]
        assert torch.equal(torch.get_rng_state(), before)
        features._memory.clear()
        again = self.view(items, 0)
        assert (torch.equal(again.values, first) and not torch.equal(first, second)) == (self.cfg.SEED >= 0)
        torch.testing.assert_close(again.raw / again.raw.norm(dim=1, keepdim=True), again.values)
        taken = [view.values for view in self.views(items, 5, taken=2, first=1)]
        if self.cfg.SEED >= 0:
            assert [torch.equal(view, taken[0]) for view in taken] == [True, False, True, False, True]
            assert torch.equal(taken[0], second)

    monkeypatch.setattr(CLAP, "fit", look)
    for seed in (1, 2):
        world.run("CLAP", f"features-view-{seed}", SEED=seed)
    assert not torch.equal(seen[1][0], seen[2][0])


def test_memory_is_bounded_by_bytes(world, image_batches, monkeypatch):
    monkeypatch.setattr(features, "KEPT", 3 * 16 * 64 * 4)
    world.run("CLAP", "features-few", TRAINER__CLAP__VIEWS=5)
    assert len(features._memory) <= 4 and sum(kept.nbytes for kept in features._memory.values()) <= features.KEPT


def test_features_of_another_batch_size_are_not_taken(world, image_batches):
    """Their last digits are others, and so would be the logits of a run that is tested again."""
    world.run("ZeroshotCLIP", "in-fives", "--eval-only")
    before = len(image_batches)
    world.run("ZeroshotCLIP", "in-threes", "--eval-only", DATALOADER__TEST__BATCH_SIZE=3)
    assert len(image_batches) > before
