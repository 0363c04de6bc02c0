"""Linear probe and Tip-Adapter: what they compute, against scikit-learn and the paper's formula."""

import numpy as np
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression

from tests.trainers.small_world import CLASSES, logits, result
from trainers.life.features import Features
from trainers.linear_probe import regress
from trainers.tip_adapter import TipAdapterModel
from vlm.towers.block import unit


def image_features(world, part: str, classes: int) -> tuple[np.ndarray, list[int]]:
    """Features of the data set's images, from scratch, with their labels."""
    import json

    import torchvision.transforms as T
    from PIL import Image

    import vlm

    clip = vlm.load(str(world.clip))
    items = [item for item in json.loads((world.root / "cells/split.json").read_text())[part] if item[1] < classes]
    steps = [
        T.Resize(32, T.InterpolationMode.BICUBIC),
        T.CenterCrop(32),
        T.ToTensor(),
        T.Normalize(clip.mean, clip.std),
    ]
    images = torch.stack([T.Compose(steps)(Image.open(world.root / "cells" / name)) for name, *_ in items])
    return clip.image(images).detach().numpy(), [label for _, label, _ in items]


def test_linear_probe_is_logistic_regression_at_the_chosen_strength(world):
    for classes, subset in ((4, "all"), (2, "base")):
        run = world.run(
            "LinearProbe", f"probe-{subset}", DATASET__SUBSAMPLE_CLASSES=subset, TRAINER__LINEARPROBE__C=3.0
        )
        train, labels = image_features(world, "train", classes)
        expected = LogisticRegression(C=3.0, max_iter=1000).fit(train, labels)
        z = logits(run).astype(np.float64)
        found = np.exp(z - z.max(1, keepdims=True))
        found /= found.sum(1, keepdims=True)
        np.testing.assert_allclose(found, expected.predict_proba(image_features(world, "test", classes)[0]), atol=1e-3)


def test_linear_probe_searches_on_validation_images(world):
    run = world.run("LinearProbe", "probe-searched")
    line = next(line for line in (run / "log.txt").read_text().splitlines() if line.startswith("C = "))
    chosen = float(line.split()[2].rstrip(":"))
    train, val = image_features(world, "train", 4), image_features(world, "val", 4)

    def score(strength: float) -> float:
        there = Features(torch.from_numpy(train[0]), torch.tensor(train[1]), [""] * len(train[1]))
        return regress(there, strength).score(*val)

    assert score(chosen) >= max(score(10.0**e) for e in range(-6, 7, 2))
    assert result(run)["trainable_params"] == len(CLASSES) * 65


def test_tip_adapter_formula(tiny_clip):
    torch.manual_seed(0)
    model = TipAdapterModel(tiny_clip, ["a", "b", "c"], ["a photo of a {}."]).eval()
    model.keys, model.labels = unit(torch.randn(5, 64)), torch.tensor([0, 0, 1, 2, 2])
    model.alpha.fill_(0.7)
    model.beta.fill_(3.0)
    f = unit(torch.randn(4, 64))
    found = model.classify(f)
    scale = tiny_clip.logit_scale.exp()
    for b in range(4):
        for c in range(3):
            votes = sum(torch.exp(-3.0 * (1 - f[b] @ model.keys[i])) for i in range(5) if model.labels[i] == c)
            torch.testing.assert_close(found[b, c], scale * f[b] @ model.text[c] + 0.7 * votes)


def test_tip_adapter_keys_are_unit_means_of_views_and_the_search_helps(world):
    run = world.run("TipAdapter", "tip")
    state = load_file(run / "tip_adapter" / "model-1.safetensors")
    assert state["keys"].shape == (16, 64) and state["labels"].tolist() == [c for c in range(4) for _ in range(4)]
    torch.testing.assert_close(state["keys"].norm(dim=1), torch.ones(16))
    assert 0.1 <= state["alpha"] <= 5 and 0.1 <= state["beta"] <= 12
    zero_shot = world.run("ZeroshotCLIP", "tip-zero-shot", TRAINER__ZSCLIP__TEMPLATES="all", **{"TEST__SPLIT": "test"})
    assert result(run)["metrics"]["accuracy"] >= result(zero_shot)["metrics"]["accuracy"]
