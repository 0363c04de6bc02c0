"""Dtypes by name; steps whose scaled gradients overflow are skipped and counted."""

import pytest
import torch
from torch import nn

from toolbox.errors import UserError
from trainers.life.precision import Precision

CPU = torch.device("cpu")


def test_names():
    weights = {name: Precision(name, CPU).weights for name in ("auto", "fp32", "fp16", "bf16", "amp")}
    half = {"fp16": torch.float16, "bf16": torch.bfloat16}
    assert weights == {name: half.get(name, torch.float32) for name in weights}
    assert Precision("auto", CPU).name == "fp32" and Precision("auto", torch.device("cuda")).name == "fp16"
    with pytest.raises(UserError, match="PREC is 'fp8'; choose one of auto, fp32"):
        Precision("fp8", CPU)


def test_where_the_loss_is_scaled():
    assert [Precision(name, CPU).scaler is not None for name in ("fp32", "fp16", "bf16", "amp")] == [
        False,
        True,
        False,
        False,
    ]


@pytest.mark.filterwarnings("ignore")
def test_an_overflow_is_skipped_and_counted_and_training_goes_on():
    model = nn.Linear(2, 1)
    precision, optimizer = Precision("fp16", CPU), torch.optim.SGD(model.parameters(), lr=0.1)
    before = model.weight.detach().clone()
    precision.step(model(torch.full((1, 2), 1e38)).sum() * 1e5, optimizer, model)
    assert precision.overflows == 1 and torch.equal(model.weight, before)
    precision.step(model(torch.ones(1, 2)).sum(), optimizer, model)
    assert precision.overflows == 1
    torch.testing.assert_close(model.weight, before - 0.1)


def test_a_run_counts_across_a_stop(world, monkeypatch):
    """The count and the scale are part of what a run goes on from."""
    from tests.trainers.small_world import result
    from trainers.base import PromptTrainer

    after_epoch = PromptTrainer.after_epoch

    def count_then_stop(self):
        self.precision.overflows += 3
        after_epoch(self)
        raise KeyboardInterrupt

    key = {"TRAINER__COOP__PREC": "fp16"}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PromptTrainer, "after_epoch", count_then_stop)
        world.run("CoOp", "overflows", **key)
    found = result(world.run("CoOp", "overflows", **key))
    assert found["overflows"] >= 3 and found["time"]["starts"] == 2


@pytest.mark.parametrize("name", ["fp32", "fp16"])
def test_gradients_are_cut_to_the_length_a_model_asks_for(name):
    model = nn.Linear(2, 1, bias=False)
    precision, optimizer = Precision(name, CPU), torch.optim.SGD(model.parameters(), lr=1.0)
    before = model.weight.detach().clone()
    precision.backward(model(torch.tensor([[3.0, 4.0]])).sum())
    precision.update(optimizer, max_norm=0.5)
    torch.testing.assert_close(before - model.weight, torch.tensor([[0.3, 0.4]]), atol=1e-5, rtol=0)
