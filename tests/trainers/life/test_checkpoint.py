"""What lies in a checkpoint folder after each epoch, and which checkpoints are refused."""

import json

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from toolbox.errors import UserError
from trainers.base import PromptTrainer
from trainers.life import checkpoint

FOLDER = "prompt_learner"


class Stopped(Exception):
    """Stands for a power cut."""


def stop_after(monkeypatch, epochs: int) -> None:
    after_epoch = PromptTrainer.after_epoch

    def stop(self):
        after_epoch(self)
        if self.epoch + 1 == epochs:
            raise Stopped

    monkeypatch.setattr(PromptTrainer, "after_epoch", stop)


@pytest.fixture
def stopped(world, monkeypatch, request):
    """Output folder of a CoOp run of two epochs that was stopped after the first, one a test."""
    name = f"stopped-{request.node.name}"
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        stop_after(patch, 1)
        world.run("CoOp", name)
    return world.root / name


def names(folder) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_only_what_is_needed_stays(world):
    folder = world.run("CoOp", "pruned", OPTIM__MAX_EPOCH=3) / FOLDER
    assert names(folder) == {"checkpoint", "model.pth.tar-3", "model-3.safetensors"}
    folder = world.run("CoOp", "frequent", OPTIM__MAX_EPOCH=3, TRAIN__CHECKPOINT_FREQ=2) / FOLDER
    assert names(folder) == {
        "checkpoint",
        *(f"model{s}" for s in (".pth.tar-2", "-2.safetensors", ".pth.tar-3", "-3.safetensors")),
    }


def test_the_best_weights_lie_in_both_forms(world):
    folder = world.run("CoOp", "best", TEST__FINAL_MODEL="best_val") / FOLDER
    assert {"model-best.pth.tar", "model-best.safetensors"} <= names(folder)


def test_a_checkpoint_written_but_not_yet_pointed_at_is_written_again(world, stopped):
    """The crash falls between a new checkpoint and the pointer to it: the old one must not be pruned under the pointer."""
    newer = stopped / FOLDER / "model.pth.tar-2"
    newer.write_bytes((stopped / FOLDER / "model.pth.tar-1").read_bytes())
    world.run("CoOp", stopped.name)
    assert (stopped / FOLDER / "checkpoint").read_text().strip() == "model.pth.tar-2"
    assert newer.read_bytes() != b"" and "model.pth.tar-1" not in names(stopped / FOLDER)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("OPTIM__LR", 0.5, r"OPTIM\.LR was '0\.01' and is '0\.5'"),
        ("OPTIM__MAX_EPOCH", 5, r"OPTIM\.MAX_EPOCH was '2' and is '5'"),
        ("TRAINER__COOP__N_CTX", 3, r"TRAINER\.COOP\.N_CTX"),
        ("SEED", 9, r"SEED was '1' and is '9'"),
        ("DATASET__NUM_SHOTS", 2, r"split \(train\) was"),
    ],
)
def test_another_runs_checkpoint_is_refused(world, stopped, option, value, said):
    with pytest.raises(UserError, match=f"holds the checkpoint of another run: .*{said}"):
        world.run("CoOp", stopped.name, **{option: value})


def test_a_split_that_changed_meanwhile_is_refused(world, stopped):
    path = world.root / "cells" / "split.json"
    before = path.read_text()
    content = json.loads(before)
    content["train"].pop()
    path.write_text(json.dumps(content))
    try:
        with pytest.raises(UserError, match=r"another run: split \(train\) was"):
            world.run("CoOp", stopped.name)
    finally:
        path.write_text(before)


def test_altered_weights_are_refused(world):
    out = world.run("CoOp", "altered")
    path = out / FOLDER / "model-2.safetensors"
    with safe_open(path, framework="pt") as file:
        tensors, meta = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    tensors["ctx"] = tensors["ctx"] + 1e-6
    save_file(tensors, path, metadata=meta)
    with pytest.raises(UserError, match=r"model-2\.safetensors is not as it was written"):
        world.run("CoOp", "altered-again", "--eval-only", "--model-dir", str(out), "--load-epoch", "2")


def test_an_epoch_that_is_not_there_is_named(world):
    out = world.run("CoOp", "epochs")
    with pytest.raises(UserError, match=r"no model-7\.safetensors in .*; epochs there: 2"):
        world.run("CoOp", "epochs-again", "--eval-only", "--model-dir", str(out), "--load-epoch", "7")


def test_weights_come_before_what_training_goes_on_from(world, monkeypatch):
    """A run killed between the two repeats the epoch; the other order would leave the weights of an epoch missing."""
    order = []
    monkeypatch.setattr(checkpoint, "atomic_write", lambda path, write: order.append(path.name))
    monkeypatch.setattr("toolbox.checkpoints.torch.save", lambda state, file: (_ for _ in ()).throw(Stopped))
    with pytest.raises(Stopped):
        world.run("CoOp", "order")
    assert order == ["model-1.safetensors"]
