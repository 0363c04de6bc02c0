"""Methods on frozen features beyond their recordings: what they make of missing classes, options off the published path."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.trainers.small_world import logits
from tests.trainers.test_fitted import image_features
from trainers.base import PromptTrainer, accuracy, balanced_accuracy
from trainers.clap import CLAPModel
from trainers.clip_adapter import CLIPAdapterModel
from trainers.lp_plus_plus import Support, best_of, lipschitz_rate, slope, solve, start
from trainers.ss_text import simpleshot, ss_text, ss_text_plus
from trainers.tip_adapter_f import TipAdapterF, TipAdapterFModel
from vlm.prompts.class_features import class_features
from vlm.towers.block import unit

NAMES, TEMPLATE = ["a", "b", "c"], ["a photo of a {}."]


@pytest.fixture
def drawn():
    """Features (7, 64) of classes 0 and 1, their labels, and texts of three classes."""
    generator = torch.Generator().manual_seed(1)
    features, text = unit(torch.randn(7, 64, generator=generator)), 8 * torch.randn(3, 64, generator=generator)
    return features, torch.tensor([0, 1, 0, 0, 1, 0, 0]), text


def test_a_class_without_images_is_its_text(drawn):
    features, labels, text = drawn
    torch.testing.assert_close(simpleshot(*drawn)[2], text[2])
    torch.testing.assert_close(simpleshot(*drawn)[1], features[[1, 4]].mean(0))
    torch.testing.assert_close(ss_text(*drawn, 100.0)[2], text[2])
    before = torch.stack(
        [100 * 5 / 7 * features[labels == 0].sum(0), 100 * 2 / 7 * features[labels == 1].sum(0), 0 * text[2]]
    )
    before = before + text
    apart = 2 * before[2] - before.mean(0)
    torch.testing.assert_close(ss_text_plus(*drawn, 100.0)[2], text[2] - apart / apart.norm())


def test_beyond_a_thousand_images_the_text_counts_more_again():
    features, labels = torch.ones(4000, 2), torch.zeros(4000, dtype=torch.long)
    text = torch.zeros(1, 2)
    assert (
        ss_text(features, labels, text, 1.0)[0, 0] == 1000 == ss_text(features[:1000], labels[:1000], text, 1.0)[0, 0]
    )


@pytest.mark.parametrize(
    ("method", "option"), [("CLAP", "VIEWS"), ("TipAdapter", "AUGMENT_EPOCH"), ("TipAdapterF", "AUGMENT_EPOCH")]
)
def test_no_views_are_the_images_themselves(world, monkeypatch, method, option):
    def never(self, items, number):
        raise AssertionError("an augmented view was made")

    monkeypatch.setattr(PromptTrainer, "view", never)
    run = world.run(method, f"plain-{method}", **{f"TRAINER__{method.upper()}__{option}": 0})
    assert np.isfinite(logits(run)).all()
    if method == "TipAdapter":
        (file,) = (run / "tip_adapter").glob("*.safetensors")
        images = torch.from_numpy(image_features(world, "train", 4)[0])
        torch.testing.assert_close(load_file(file)["keys"], unit(images), atol=1e-5, rtol=0)


@pytest.mark.parametrize("constraint", ["l2", "l2constant", "l2balanced", "l2corrected", "none"])
def test_multipliers(tiny_clip, drawn, constraint):
    features, labels, _ = drawn
    model = CLAPModel(tiny_clip, NAMES, TEMPLATE)
    model.set_multipliers(features, labels, constraint)
    own = (tiny_clip.logit_scale.exp() * features @ unit(model.text).T).softmax(1)
    first, second = own[labels == 0, 0].mean(), own[labels == 1, 1].mean()
    found = torch.stack([first, second, (first + second) / 2])  # without images: the mean of the others
    expected = {
        "l2": found,
        "l2constant": found.mean().expand(3),
        "l2balanced": torch.ones(3),
        "l2corrected": 3 * found / found.sum(),
        "none": torch.zeros(3),
    }[constraint]
    torch.testing.assert_close(model.multipliers, expected.detach())
    with torch.no_grad():
        model.weight += torch.tensor([[1.0], [2.0], [3.0]])
        _, loss = model.feature_loss(features, labels)
        plain = torch.nn.functional.cross_entropy(model.classify(features), labels)
    torch.testing.assert_close(loss - plain, (expected * 64 * torch.tensor([1.0, 4.0, 9.0])).mean().detach())


def test_slope_of_the_linear_probe_with_text_is_autograds(drawn):
    features, labels, text = drawn
    support = Support(features, labels, features @ unit(text).T)
    head = start(support, 3)
    leaves = [part.clone().requires_grad_() for part in head]
    loss = torch.nn.functional.cross_entropy(type(head)(*leaves).logits(features, unit(text)), labels)
    loss.backward()
    found, value = slope(head, support, unit(text))
    torch.testing.assert_close(value, loss.detach())
    for part, leaf in zip(found, leaves, strict=True):
        torch.testing.assert_close(part, leaf.grad)


def test_the_last_of_equals_is_kept_and_without_a_score_the_last(drawn):
    features, labels, text = drawn
    support = Support(features, labels, features @ unit(text).T)
    heads = list(solve(start(support, 3), support, unit(text), lipschitz_rate(features), 4))
    scores = iter([1.0, 2.0, 2.0, 0.0])
    assert best_of(iter(heads), lambda head: next(scores)) is heads[2][0]
    assert best_of(iter(heads), None) is heads[3][0]
    assert best_of(iter([]), None) is None


def test_the_length_of_features_makes_no_difference_to_the_published_adapter(tiny_clip, drawn):
    features, _, _ = drawn
    model = CLIPAdapterModel(tiny_clip, NAMES, TEMPLATE)
    torch.testing.assert_close(model.classify(features), model.classify(9 * features))
    model.normalised = False
    assert not torch.allclose(model.classify(features), model.classify(9 * features))


def test_each_try_of_the_search_in_training_starts_from_the_cache(world, monkeypatch):
    train, tried = TipAdapterF._train, []

    def twice(self, cache, alpha, val):
        found = []
        for _ in range(2):
            torch.manual_seed(0)
            found.append(train(self, cache, alpha, val))
        assert torch.equal(found[0][1], found[1][1]) and torch.equal(found[0][1], cache) == (alpha == 0)
        tried.append(found[0])
        return found[0]

    monkeypatch.setattr(TipAdapterF, "_train", twice)
    keys = {"TRAINER__TIPADAPTERF__SEARCH_STEP": "(2,2)", "OPTIM__LR": 0.01, "OPTIM__WEIGHT_DECAY": 0.0}
    run = world.run("TipAdapterF", "tipf-search", TRAINER__TIPADAPTERF__SEARCH_INIT_ALPHA=True, **keys)
    assert [alpha for *_, alpha in tried] == list(range(10))
    best = next(kept for score, kept, _ in tried if score == max(score for score, *_ in tried))
    assert torch.equal(load_file(run / "tip_adapter" / "model-1.safetensors")["keys"], best)


def test_the_scale_is_a_hundred_or_the_backbones(tiny_clip):
    published = TipAdapterFModel(tiny_clip, NAMES, TEMPLATE)
    torch.testing.assert_close(published.log_scale().exp(), torch.tensor(100.0))
    assert TipAdapterFModel(tiny_clip, NAMES, TEMPLATE, 0.0).log_scale() is tiny_clip.logit_scale


def test_raw_text(tiny_clip):
    raw = class_features(tiny_clip, NAMES, TEMPLATE, raw_mean=True, normalised=False)
    assert (raw.norm(dim=1) - 1).abs().min() > 0.1
    torch.testing.assert_close(unit(raw), class_features(tiny_clip, NAMES, TEMPLATE))


def test_scores():
    found, labels = torch.eye(3)[[0, 0, 0, 1]], torch.tensor([0, 0, 2, 1])
    assert accuracy(found, labels) == 75
    torch.testing.assert_close(balanced_accuracy(found, labels).item(), 200 / 3)
