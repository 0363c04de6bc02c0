"""`dassl.modeling.ops` and `dassl.optim.radam`: each by its equation, and beside stock Dassl where it is at hand."""

import random
from collections.abc import Callable
from importlib import import_module

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import dassl.modeling.ops as host
import toolbox
import toolbox.dassl.modeling.ops as ours
from toolbox.dassl.modeling.ops import utils
from toolbox.dassl.optim.radam import AdamW, PlainRAdam, RAdam
from toolbox.dassl.utils.torchtools import adjust_learning_rate, set_bn_to_eval
from toolbox.errors import UserError

X, Y = torch.randn(6, 5, generator=torch.Generator().manual_seed(1)), torch.full((6, 5), 0.5)
MAPS = torch.randn(6, 32, 5, 4, generator=torch.Generator().manual_seed(2))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
ONE_HOT = F.one_hot(LABELS).float()


def through_layer(make: Callable, x: Tensor) -> Tensor:
    layer = make()
    return torch.cat([layer(x).flatten(), layer(x + 1).flatten(), layer.eval()(x).flatten()])


CASES: dict[str, Callable] = {
    "mixup": lambda ops: ops.mixup(MAPS, MAPS.flip(0), ONE_HOT, ONE_HOT.flip(0), 0.7, preserve_order=True)[0],
    "mixup of labels": lambda ops: ops.mixup(MAPS, MAPS.flip(0), ONE_HOT, ONE_HOT.flip(0), 0.7)[1],
    "cross_entropy": lambda ops: ops.cross_entropy(X, LABELS, label_smooth=0.2, reduction="none"),
    **{
        f"mmd {kind}": lambda ops, kind=kind: ops.MaximumMeanDiscrepancy(kind, normalize=True)(X, Y)
        for kind in ("linear", "poly", "rbf")
    },
    "sinkhorn": lambda ops: ops.SinkhornDivergence(eps=0.1)(X, Y),
    "energy": lambda ops: ops.MinibatchEnergyDistance(dist_metric="fast_euclidean", eps=1.0)(X, Y),
    **{
        f"{name} {mix}": lambda ops, name=name, mix=mix: getattr(ops, name)(p=0.9, alpha=0.3, mix=mix)(MAPS)
        for name in ("MixStyle", "EFDMix")
        for mix in ("random", "crossdomain")
    },
    "TransNorm1d": lambda ops: through_layer(lambda: ops.TransNorm1d(5), X),
    "TransNorm2d": lambda ops: through_layer(lambda: ops.TransNorm2d(32, adaptive_alpha=False), MAPS),
    "Attention": lambda ops: ops.Attention(32, 4)(MAPS),
    "Conv2dDynamic": lambda ops: ops.Conv2dDynamic(32, 8, 3, 1, 1)(MAPS),
}


@pytest.mark.skipif("stock" not in toolbox.host().partition(";")[0], reason="stock Dassl is not in use")
@pytest.mark.parametrize("case", CASES)
def test_equal_to_stock(case):
    results = []
    for ops in (host, ours):
        random.seed(4)
        torch.manual_seed(4)
        results.append(CASES[case](ops))
    assert torch.allclose(*results, atol=1e-5)


@pytest.mark.parametrize("name", ["MixStyle", "EFDMix"])
def test_a_mixed_image_has_a_style_between_both(name):
    layer = getattr(ours, name)(p=1.0, alpha=5.0)
    mixed = layer(MAPS)
    assert not torch.equal(mixed, MAPS) and mixed.shape == MAPS.shape
    means = MAPS.mean(dim=[2, 3])
    assert (mixed.mean(dim=[2, 3]) <= means.amax(dim=0) + 1e-5).all()
    model = nn.Sequential(layer)
    suffix = name.lower()
    with getattr(ours, f"run_without_{suffix}")(model):
        assert torch.equal(model(MAPS), MAPS)
    with getattr(ours, f"run_with_{suffix}")(model, mix="crossdomain"):
        assert layer.mix == "crossdomain" and not torch.equal(model(MAPS), MAPS)
    assert torch.equal(model(MAPS), MAPS)
    assert torch.equal(layer.eval()(MAPS), MAPS)


def test_distances_are_nothing_between_a_batch_and_itself():
    assert ours.SinkhornDivergence()(X, X).abs() < 1e-6
    assert ours.SinkhornDivergence()(X, Y) > 0.1
    cost, plan = ours.SinkhornDivergence(eps=0.1, max_iter=500).transport_cost(X, Y, return_pi=True)
    assert torch.allclose(plan.sum(1), torch.full((6,), 1 / 6), atol=1e-3) and cost > 0
    products = X @ X.t()
    within = (products.sum() - products.trace()) / 30
    expected = within + 5 * 0.25 - 2 * (X @ Y.t()).mean()
    assert torch.allclose(ours.MaximumMeanDiscrepancy("linear")(X, Y), expected, atol=1e-6)


def test_the_reversed_gradient():
    x = X.clone().requires_grad_()
    y = ours.ReverseGrad()(x, grad_scaling=0.5)
    y.sum().backward()
    assert torch.equal(y, X) and torch.equal(x.grad, torch.full_like(X, -0.5))


def test_domains_have_statistics_of_their_own():
    layer = ours.DSBN1d(5, 2)
    layer.select_bn(1)
    layer(X + 3)
    assert layer.bn[0].running_mean.abs().sum() == 0 and layer.bn[1].running_mean.abs().sum() > 0
    with pytest.raises(AssertionError, match="domain 2 of 2"):
        layer.select_bn(2)


def test_a_chain_passes_several_arguments_on():
    class Both(nn.Module):
        def forward(self, a: int, b: int) -> tuple[int, int]:
            return a + b, b

    assert ours.Sequential2(Both(), Both())(1, 2) == (5, 2)


def test_small_functions():
    p = torch.tensor([[0.8, 0.2]])
    assert torch.allclose(utils.sharpen_prob(p), torch.tensor([[0.64, 0.04]]) / 0.68)
    assert utils.linear_rampup(5, 20) == 0.25 and utils.linear_rampup(50, 20) == utils.sigmoid_rampup(20, 20) == 1
    assert utils.sigmoid_rampup(0, 20) == pytest.approx(0.006737947)
    assert torch.equal(utils.create_onehot(LABELS, 3), ONE_HOT)
    assert torch.equal(utils.reverse_index(X, LABELS)[1], LABELS.flip(0))
    data, label = utils.shuffle_index(LABELS, LABELS)
    assert torch.equal(data, label) and sorted(data) == sorted(LABELS)
    model, kept = nn.Linear(2, 2), nn.Linear(2, 2)
    expected = 0.9 * kept.weight + 0.1 * model.weight
    utils.ema_model_update(model, kept, 0.9)
    assert torch.allclose(kept.weight, expected)


@pytest.mark.parametrize("kind", [RAdam, PlainRAdam, AdamW])
def test_optimisers_go_downhill(kind):
    weight = nn.Parameter(torch.tensor([3.0, -2.0]))
    optimiser = kind([weight], lr=0.1)
    for _ in range(200):
        optimiser.zero_grad()
        weight.square().sum().backward()
        optimiser.step()
    assert weight.abs().max() < 0.1


def test_the_rate_of_adamw_rises_and_is_kept():
    weight = nn.Parameter(torch.tensor([3.0]))
    optimiser = AdamW([weight], lr=0.1, warmup=10)
    weight.square().sum().backward()
    optimiser.step()
    assert weight.item() == pytest.approx(3 - 0.01, abs=1e-4) and optimiser.param_groups[0]["lr"] == 0.1
    again = AdamW([nn.Parameter(torch.tensor([3.0]))], lr=0.1, warmup=10)
    again.load_state_dict(optimiser.state_dict())
    assert again.steps == 1
    with pytest.raises(UserError, match="degenerated_to_sgd"):
        RAdam([weight], degenerated_to_sgd=False)


def test_rates_by_hand_and_norms_at_rest():
    optimiser = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1)
    adjust_learning_rate(optimiser, 1.0, epoch=45)
    assert optimiser.param_groups[0]["lr"] == pytest.approx(0.01)
    adjust_learning_rate(optimiser, 1.0, epoch=25, linear_decay=True)
    assert optimiser.param_groups[0]["lr"] == pytest.approx(0.75)
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).apply(set_bn_to_eval)
    assert model[0].training and not model[1].training


def test_trainers_find_what_they_import_from_the_engine():
    trainer = import_module("dassl.engine.trainer")
    assert trainer.MetricMeter and trainer.AverageMeter and trainer.SummaryWriter.__module__.startswith("torch")
    with pytest.raises(AttributeError, match="NoSuchThing"):
        trainer.NoSuchThing  # noqa: B018
