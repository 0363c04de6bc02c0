"""ROWS_SCALING centred: the training classes' statistics go with the checkpoint, to other classes and into predict."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from llm.store import read_store
from tests.trainers.small_world import CLASSES, logits, result
from toolbox.errors import UserError
from trainers.life.saved import open_run

CENTRED = {"TRAINER__CILMP__ROWS_SCALING": "centred"}
BASE, NEW = ({"DATASET__SUBSAMPLE_CLASSES": subset} for subset in ("base", "new"))
NEW_CLASSES = list(CLASSES[2:])


@pytest.fixture(scope="module")
def centred(world):
    return world.run("CILMP", "cilmp-centred", **BASE, **CENTRED)


@pytest.fixture(scope="module")
def statistics(world):
    """Mean (layers, D) of the base classes' rows, and each layer's scale."""
    rows = read_store(world.rows).rows
    base = torch.stack([rows[name.replace("_", " ")] for name in CLASSES[:2]])
    mean = base.mean(0)
    return mean, base.norm(dim=-1).mean(0) / (base - mean).norm(dim=-1).mean(0)


def test_what_is_saved(world, centred, statistics):
    with safe_open(centred / "VLPromptLearner/model-2.safetensors", framework="pt") as file:
        saved, header = (file.get_tensor("scaling.mean"), file.get_tensor("scaling.scale")), file.metadata()
    for ours, theirs in zip(saved, statistics, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert json.loads(header["rows_scaling"])["scale"] == pytest.approx(statistics[1].tolist(), rel=1e-5)
    assert result(centred)["rows"]["scaling"] == "centred"
    plain = world.run("CILMP", "cilmp-uncentred", **BASE)
    assert not np.array_equal(logits(centred), logits(plain))


def test_new_classes_by_the_base_classes_statistics(world, centred, statistics):
    new = world.run("CILMP", "cilmp-centred-new", "--eval-only", "--model-dir", str(centred), **NEW, **CENTRED)
    run = open_run(centred, NEW_CLASSES)
    rows, (mean, scale) = read_store(world.rows).rows, statistics
    wanted = torch.stack([(rows[name] - mean) * scale[:, None] for name in NEW_CLASSES])
    found = run.model.text.rows
    torch.testing.assert_close(torch.cat([found.prefix, found.middle, found.suffix], dim=1), wanted)
    with np.load(new / "predictions.npz") as file:
        labels = file["labels"]
    from datasets.images import read_image

    files = [world.root / f"cells/test_{2 + label}_{i % 3}.png" for i, label in enumerate(labels)]
    p = run.probabilities(torch.stack([run.transform(read_image(file)) for file in files]))
    torch.testing.assert_close(p, torch.from_numpy(logits(new)).softmax(-1), atol=2e-6, rtol=0)


def test_resumed_after_an_epoch_as_if_never_stopped(world, centred):
    world.run("CILMP", "cilmp-centred-stopped", OPTIM__MAX_EPOCH=2, TRAIN__CHECKPOINT_FREQ=1, **BASE, **CENTRED)
    folder = world.root / "cilmp-centred-stopped"
    (folder / "result.json").unlink()
    learner = folder / "VLPromptLearner"
    for file in learner.glob("model*-2*"):
        file.unlink()
    (learner / "checkpoint").write_text("model.pth.tar-1\n")
    world.run("CILMP", "cilmp-centred-stopped", TRAIN__CHECKPOINT_FREQ=1, **BASE, **CENTRED)
    assert "epoch [1/2]" not in (folder / "log.txt").read_text()
    assert np.array_equal(logits(folder), logits(centred))


@pytest.mark.parametrize(
    ("trained", "tested", "said"),
    [("centred", "none", "scaling.mean is not part"), ("none", "centred", "it lacks scaling.mean")],
)
def test_another_scaling_than_the_one_trained_with_is_refused(world, centred, trained, tested, said):
    folder = centred if trained == "centred" else world.run("CILMP", "cilmp-uncentred", **BASE)
    with pytest.raises(UserError, match=said):
        world.run(
            "CILMP",
            f"cilmp-as-{tested}",
            "--eval-only",
            "--model-dir",
            str(folder),
            **NEW,
            TRAINER__CILMP__ROWS_SCALING=tested,
        )


def test_a_checkpoint_of_the_reference_program_has_no_statistics(world, centred):
    model = open_run(centred).model
    state = {name: p if i is None else p[i] for name, p, i in model.reference_parameters()}
    folder = world.root / "centred-reference/VLPromptLearner"
    folder.mkdir(parents=True)
    torch.save(
        {"state_dict": {k: v.detach().clone() for k, v in state.items()}, "epoch": 2}, folder / "model.pth.tar-2"
    )
    flags = ("--eval-only", "--model-dir", str(folder.parent), "--load-epoch", "2")
    with pytest.raises(UserError, match=r"which knows no scaling\.mean"):
        world.run("CILMP", "cilmp-centred-reference", *flags, **BASE, **CENTRED)
