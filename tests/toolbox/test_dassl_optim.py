import pytest
import torch
from torch import nn

from dassl.config import get_cfg_default
from dassl.optim import build_lr_scheduler, build_optimizer
from toolbox.errors import UserError


def rates(epochs: int, **options: object) -> list[float]:
    """Learning rate of each epoch."""
    cfg = get_cfg_default().OPTIM
    cfg.update(NAME="sgd", LR=1.0, MAX_EPOCH=4, **options)
    model = nn.Linear(1, 1)
    optimizer = build_optimizer(model, cfg)
    schedule = build_lr_scheduler(optimizer, cfg)
    seen = []
    for _ in range(epochs):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"LR_SCHEDULER": "cosine"}, [1, 0.853553, 0.5, 0.146447]),
        ({"LR_SCHEDULER": "single_step", "STEPSIZE": (2,)}, [1, 1, 0.1, 0.1]),
        ({"LR_SCHEDULER": "single_step"}, [1, 1, 1, 1, 0.1]),
        ({"LR_SCHEDULER": "multi_step", "STEPSIZE": (1, 3)}, [1, 0.1, 0.1, 0.01]),
        ({"LR_SCHEDULER": "cosine", "WARMUP_EPOCH": 1, "WARMUP_TYPE": "constant"}, [1e-5, 1, 0.853553, 0.5]),
        ({"LR_SCHEDULER": "cosine", "WARMUP_EPOCH": 2, "WARMUP_TYPE": "linear"}, [1e-5, 0.5, 1, 0.853553]),
    ],
)
def test_schedules(options, expected):
    assert rates(len(expected), **options) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["adam", "amsgrad", "sgd", "rmsprop", "radam", "adamw"])
def test_every_optimiser_goes_downhill(name):
    cfg = get_cfg_default().OPTIM
    cfg.update(NAME=name, LR=0.05)
    x = nn.Parameter(torch.tensor([3.0]))
    optimizer = build_optimizer([x], cfg)
    for _ in range(100):
        optimizer.zero_grad()
        (x**2).sum().backward()
        optimizer.step()
    assert abs(x.item()) < 1.5


def test_new_layers_learn_faster():
    cfg = get_cfg_default().OPTIM
    cfg.update(NAME="sgd", LR=1.0, STAGED_LR=True, NEW_LAYERS=("classifier",))
    model = nn.ModuleDict({"backbone": nn.Linear(1, 2), "classifier": nn.Linear(2, 3)})
    base, new = build_optimizer(model, cfg).param_groups
    assert (base["lr"], new["lr"]) == (0.1, 1.0)
    assert [p.shape for p in new["params"]] == [(3, 2), (3,)]


def test_an_unknown_warm_up_is_an_error():
    with pytest.raises((UserError, ValueError)):
        rates(1, WARMUP_EPOCH=1, WARMUP_TYPE="quadratic")
