"""Checkpoints that the reference programs wrote are read: names of theirs, buffers of theirs left out."""

import numpy as np
import pytest
import torch
from safetensors import safe_open

import trainers  # noqa: F401  registers the methods
from tests.trainers.small_world import logits
from toolbox.errors import UserError
from trainers.life.config import methods

METHODS = {method.__name__: method for method in methods()}
BASE = {"DATASET__SUBSAMPLE_CLASSES": "base"}
PROMPT_LEARNER_ALONE = ("CoOp", "CoCoOp", "KgCoOp")  # these register the prompt learner, the others the whole model


def in_reference_names(world, method: str, model) -> dict[str, torch.Tensor]:
    """The state dict that the reference program would have saved for what the run in `base-<method>` trained."""
    file = next((world.root / f"base-{method}" / METHODS[method].folder).glob("model-2.safetensors"))
    with safe_open(file, framework="pt") as opened:
        ours = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    names = {id(p): name for name, p in model.named_parameters()}
    state = {
        name: (ours[names[id(p)]] if index is None else ours[names[id(p)]][index]).clone().half().float()
        for name, p, index in model.reference_parameters()
    }
    state |= {
        "prompt_learner.token_prefix": torch.zeros(2, 1, 64),
        "prompt_learner.token_suffix": torch.zeros(2, 72, 64),
    }
    if method in PROMPT_LEARNER_ALONE:
        return {key.removeprefix("prompt_learner."): value for key, value in state.items()}
    return state | {"logit_scale": torch.zeros(())}


@pytest.mark.parametrize("method", ["CoOp", "CoCoOp", "KgCoOp", "MaPLe", "IVLP", "VPT", "PromptSRC"])
def test_read(world, method):
    from trainers.life.saved import open_run

    base = world.run(method, f"base-{method}", **BASE)
    state = in_reference_names(world, method, open_run(base).model)
    theirs = world.root / f"theirs-{method}"
    (theirs / METHODS[method].folder).mkdir(parents=True)
    torch.save(
        {"state_dict": state, "epoch": 2, "optimizer": None, "scheduler": None, "val_result": None},
        theirs / METHODS[method].folder / "model.pth.tar-2",
    )
    words = ("--eval-only", "--model-dir", str(theirs), "--load-epoch", "2")
    read = world.run(method, f"read-{method}", *words, **BASE)
    np.testing.assert_allclose(logits(read), logits(base), atol=0.05)
    start = world.run(method, f"start-{method}", OPTIM__MAX_EPOCH=1, OPTIM__LR=0.0, **BASE)
    assert np.abs(logits(read) - logits(start)).max() > 2 * np.abs(logits(read) - logits(base)).max()


def test_a_checkpoint_of_something_else_is_refused(world):
    folder = world.root / "theirs-else" / "prompt_learner"
    folder.mkdir(parents=True)
    torch.save({"state_dict": {"weight": torch.zeros(3)}, "epoch": 1}, folder / "model.pth.tar-1")
    words = ("--eval-only", "--model-dir", str(folder.parent), "--load-epoch", "1")
    with pytest.raises(UserError, match="holds no checkpoint of CoOp, ours or the reference program's"):
        world.run("CoOp", "read-else", *words, **BASE)
