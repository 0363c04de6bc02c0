"""Control rows: shuffled and random ones keep what they promise to keep."""

import pytest
import torch

from llm.control import control_rows, random_rows, shuffled_rows
from toolbox.errors import UserError


@pytest.fixture
def rows():
    """Rows of classes with 3 to 6 layers; later layers are longer, as in a language model."""
    generator = torch.Generator().manual_seed(3)
    scale = torch.arange(1.0, 7.0).unsqueeze(1)
    return [scale[:n] * torch.randn(n, 50, generator=generator) for n in (4, 3, 6, 6, 5)]


@pytest.mark.parametrize("n", [2, 3, 5])
def test_shuffling_moves_every_class_and_loses_none(rows, n):
    for seed in range(20):
        got = shuffled_rows(rows[:n], seed)
        origin = [next(i for i, tensor in enumerate(rows) if tensor is new) for new in got]
        assert sorted(origin) == list(range(n))
        assert all(i != j for i, j in enumerate(origin))


def test_shuffling_reaches_every_derangement(rows):
    orders = {tuple(id(tensor) for tensor in shuffled_rows(rows[:4], seed)) for seed in range(300)}
    assert len(orders) == 9


def test_random_rows_keep_shapes_and_the_mean_norm_of_each_layer(rows):
    got = random_rows(rows, 1)
    assert [tensor.shape for tensor in got] == [tensor.shape for tensor in rows]
    for layer in range(6):
        norms = [torch.stack([t[layer].norm() for t in some if len(t) > layer]).mean() for some in (rows, got)]
        torch.testing.assert_close(norms[0], norms[1])
    cosine = torch.nn.functional.cosine_similarity(torch.cat(got), torch.cat(rows), dim=-1)
    assert cosine.abs().mean() < 0.2


@pytest.mark.parametrize("kind", ["shuffled", "random"])
def test_the_seed_decides(rows, kind):
    first, again, other = (control_rows(kind, rows, seed) for seed in (1, 1, 4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_real_rows_are_left_alone(rows):
    assert all(a is b for a, b in zip(control_rows("real", rows, 5), rows, strict=True))


def test_the_callers_rows_and_the_global_generator_are_not_touched(rows):
    before, state = [tensor.clone() for tensor in rows], torch.get_rng_state()
    control_rows("shuffled", rows, 1)
    control_rows("random", rows, 1)
    assert all(torch.equal(a, b) for a, b in zip(before, rows, strict=True))
    assert torch.equal(state, torch.get_rng_state())


def test_what_cannot_be_done_is_said(rows):
    with pytest.raises(UserError, match="two classes"):
        shuffled_rows(rows[:1], 0)
    with pytest.raises(UserError, match=r"'shufled'.*shuffled"):
        control_rows("shufled", rows, 0)
