"""ProGrad's step, by its equation."""

import pytest
import torch
from torch import nn

from dassl.engine import TrainerBase


class Bare(TrainerBase):
    """A trainer whose model is one vector."""

    def __init__(self, start: list[float]) -> None:
        super().__init__()
        self.model = nn.ParameterList([nn.Parameter(torch.tensor(start))])
        self.register_model("model", self.model, torch.optim.SGD(self.model.parameters(), lr=1.0))


@pytest.mark.parametrize(
    "b, lambda_, gradient",
    [
        ((1.0, 1.0), 1.0, (3.0, 0.0)),  # they agree: the step is that of a
        ((-1.0, 1.0), 1.0, (1.5, 1.5)),  # they do not: what points against b is gone
        ((-1.0, 1.0), 0.5, (2.25, 0.75)),
    ],
)
def test_what_opposes_the_other_loss_is_taken_out(b, lambda_, gradient):
    trainer = Bare([0.0, 0.0])
    weight = trainer.model[0]
    loss_a, loss_b = weight @ torch.tensor([3.0, 0.0]), weight @ torch.tensor(b)
    trainer.prograd_backward_and_update(loss_a, loss_b, lambda_)
    assert torch.allclose(weight, -torch.tensor(gradient), atol=1e-6)


def test_a_loss_that_is_no_number_stops_it():
    trainer = Bare([0.0, 0.0])
    loss = trainer.model[0].sum()
    with pytest.raises(FloatingPointError):
        trainer.prograd_backward_and_update(loss, loss * float("nan"))
