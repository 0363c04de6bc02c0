"""What methods say of their own about gradients, optimisers and schedules, and what they fall back on."""

import math

import pytest
import torch
from safetensors.torch import load_file

from tests.trainers.small_world import SmallWorld
from trainers.base import PromptTrainer
from trainers.biomedcoop import BiomedCoOpModel
from trainers.prograd import ProGradModel, late_ctx
from trainers.xcoop import XCoOpModel

NAMES = ["discocyte", "sickle_cell"]


def trainer_of(world: SmallWorld, monkeypatch, method: str, output: str, **options) -> PromptTrainer:
    """The trainer of a run as it stands at its end."""
    kept = []
    after_train = PromptTrainer.after_train
    monkeypatch.setattr(PromptTrainer, "after_train", lambda self: (kept.append(self), after_train(self)))
    world.run(method, output, **options)
    return kept[0]


def gradients(model: ProGradModel, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """a, b and what the model makes of them."""
    _, (loss, divergence) = model.loss_parts(images, labels)
    a, b = (torch.autograd.grad(part, model.ctx, retain_graph=True)[0] for part in (loss, divergence))
    _, loss = model.loss(images, labels)
    model.ctx.grad = None
    model.backward(loss, lambda loss: 8 * loss)
    return a, b, model.ctx.grad / 8


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_prograd_takes_out_of_a_gradient_what_contradicts_zero_shot_clip(tiny_clip, strength):
    torch.manual_seed(0)
    model = ProGradModel(
        tiny_clip, NAMES, torch.randn(4, 64) * 0.3, ["a photo of a {}."], temperature=2.0, strength=strength
    )
    images = torch.randn(4, 3, 32, 32)
    best = model.general(model.image_features(images)).argmax(1)
    seen = set()
    for labels in (best, 1 - best):
        a, b, ours = gradients(model, images, labels)
        along = (a * b).sum() / b.norm()
        expected = a - strength * along * b / b.norm() if along < 0 else a
        torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-4)
        seen.add(bool(along < 0))
    assert seen == {True, False}


def test_prograd_puts_words_last_and_zeros_first(tiny_clip):
    words = tiny_clip.text.embed(tiny_clip.text.vocabulary.encode("a photo of a"))
    ctx = late_ctx(tiny_clip, "a photo of a", 6)
    assert torch.equal(ctx[2:], words) and not ctx[:2].any()
    assert torch.equal(late_ctx(tiny_clip, "a photo of a", 2), words)


def test_biomedcoop_keeps_all_sentences_where_no_score_can_be_an_outlier(tiny_clip):
    ctx = torch.randn(4, 64)
    for sentences in ([["a disc"], ["a sickle"]], [["a disc"] * 5, ["a sickle"] * 5]):
        model = BiomedCoOpModel(tiny_clip, NAMES, ctx, lambda sentences=sentences: sentences).train()
        assert model.suitable(tiny_clip.image(torch.randn(3, 3, 32, 32))).all()
        _, loss = model.loss(torch.randn(3, 3, 32, 32), torch.tensor([0, 1, 0]))
        assert torch.isfinite(loss)


def test_biomedcoop_reads_a_class_with_fewer_sentences_again_from_its_first(tiny_clip):
    texts = [["a disc", "a circle", "a ring"], ["a sickle", "a crescent"]]
    model = BiomedCoOpModel(tiny_clip, NAMES, torch.randn(4, 64), lambda: texts).train()
    assert model.bank.shape == (2, 3, 64) and torch.equal(model.bank[1, 2], model.bank[1, 0])
    mean = torch.nn.functional.normalize(tiny_clip.text.encode(texts[1]).mean(0), dim=0)
    torch.testing.assert_close(model.means[1], mean)
    long = [[*texts[0], "disc " * 200], texts[1]]
    assert torch.equal(BiomedCoOpModel(tiny_clip, NAMES, torch.randn(4, 64), lambda: long).train().bank, model.bank)


def test_biomedcoop_needs_no_sentences_to_be_tested(tiny_clip):
    def none():
        raise AssertionError("asked")

    model = BiomedCoOpModel(tiny_clip, NAMES, torch.randn(4, 64), none).eval()
    with torch.no_grad():
        assert model(torch.randn(2, 3, 32, 32)).shape == (2, 2)


def test_cliplora_counts_steps(world, monkeypatch):
    options = {"DATASET__NUM_SHOTS": 2, "TRAINER__CLIPLORA__STEPS_A_SHOT": 3, "OPTIM__MAX_EPOCH": 50}
    trainer = trainer_of(world, monkeypatch, "CLIPLoRA", "steps", **options)
    assert trainer.num_batches == 2 and trainer.max_epoch == 3 == trainer.epoch + 1  # 6 steps
    assert trainer.sched.last_epoch == 6 and trainer.get_current_lr() == pytest.approx(1e-6)
    assert math.isclose(trainer.model.log_scale().exp(), 100, rel_tol=1e-5)


def test_tcps_adam_has_its_epsilon(world, monkeypatch):
    trainer = trainer_of(world, monkeypatch, "TCP", "adam", OPTIM__NAME="adam", OPTIM__MAX_EPOCH=1)
    assert [group["eps"] for group in trainer.optim.param_groups] == [1e-3]


def test_xcoops_norms_learn_slower(world, monkeypatch):
    trainer = trainer_of(world, monkeypatch, "XCoOp", "norms", OPTIM__MAX_EPOCH=1, OPTIM__LR=0.02)
    assert [group["initial_lr"] for group in trainer.optim.param_groups] == pytest.approx([0.02, 0.002])
    assert trainer.model.max_grad_norm == 1.0
    copies = trainer.model.ctx.unflatten(0, (4, -1))
    torch.testing.assert_close(copies[0], copies[3], atol=1e-6, rtol=0)


def test_xcoops_images_do_not_mix(tiny_clip):
    torch.manual_seed(0)
    model = XCoOpModel(tiny_clip, NAMES, ["a pink disc", "a dark sickle"]).eval()
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        together, alone = model(images), torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_published_weights_are_taken_by_data_set(world, monkeypatch):
    monkeypatch.setitem(BiomedCoOpModel.__init__.__globals__["PUBLISHED"]["few_shot"], "cells", (3.0, 4.0, 1.0))
    options = {"TRAINER__BIOMEDCOOP__PUBLISHED": "few_shot", "OPTIM__MAX_EPOCH": 1}
    trainer = trainer_of(world, monkeypatch, "BiomedCoOp", "published", **options)
    assert (trainer.model.sccm, trainer.model.kdsp, trainer.model.tau) == (3.0, 4.0, 1.0)
    log = (world.root / "published" / "log.txt").read_text()
    assert "Sentences: hand-written prompts stand in for discocyte, sickle cell, target cell, basophil" in log
    state = load_file(world.root / "published" / "prompt_learner" / "model-1.safetensors")
    assert set(state) == {"ctx"}
