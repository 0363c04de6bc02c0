"""Weights & Biases is optional: asked for, it is given what TensorBoard is; missing, it is one sentence."""

import sys
from types import SimpleNamespace

import pytest

from tests.trainers.small_world import result
from toolbox.errors import UserError


def test_a_project_is_told_of_the_run(world, monkeypatch):
    told = {}
    run = SimpleNamespace(finish=lambda: told.update(finished=True))
    wandb = SimpleNamespace(init=lambda **settings: told.update(settings) or run)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    out = world.run("CoOp", "tracked", WANDB="cells")
    assert told["project"] == "cells" and told["sync_tensorboard"] and told["finished"]
    assert told["config"]["TRAINER"]["NAME"] == "CoOp" and told["dir"] == str(out)
    assert result(out)["status"] == "finished"


def test_without_the_package_it_says_so(world, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match="pip install wandb"):
        world.run("CoOp", "untracked", WANDB="cells")
