"""Control rows: each keeps what it promises to keep, and nothing of the class besides."""

import pytest
import torch

from llm.control import control_rows, shuffled_rows
from toolbox.errors import UserError

TEXTS = {
    "a": "A round cell with a bent nucleus.",
    "b": "A round cell with two lobes.",
    "c": "An oval cell with a bent nucleus.",
    "d": "An oval cell with two lobes.",
    "e": "A cell with two lobes, two lobes.",
}


@pytest.fixture
def rows():
    """Rows of classes with 3 to 6 layers; later layers are longer, as in a language model."""
    generator = torch.Generator().manual_seed(3)
    scale = torch.arange(1.0, 7.0).unsqueeze(1)
    return [scale[:n] * torch.randn(n, 50, generator=generator) for n in (4, 3, 6, 6, 5)]


@pytest.fixture
def named(rows):
    return dict(zip(TEXTS, rows, strict=True))


def made(kind, named, names="abcde", seed=1):
    features = {name: torch.eye(5)[i] + 1 for i, name in enumerate(named)}
    return control_rows(kind, named, list(names), seed, TEXTS, features)


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


@pytest.mark.parametrize("kind", ["random", "bag_of_words", "planted"])
def test_shapes_and_the_mean_norm_of_each_layer_are_kept(rows, named, kind):
    got = made(kind, named)
    assert [tensor.shape for tensor in got] == [tensor.shape for tensor in rows]
    for layer in range(6):
        norms = [torch.stack([t[layer].norm() for t in some if len(t) > layer]).mean() for some in (rows, got)]
        torch.testing.assert_close(norms[0], norms[1])
    cosine = torch.nn.functional.cosine_similarity(torch.cat(got), torch.cat(rows), dim=-1)
    assert cosine.abs().mean() < 0.2


@pytest.mark.parametrize("kind", ["random", "bag_of_words", "planted"])
def test_a_class_has_its_rows_whatever_others_are_asked_for(named, kind):
    """New classes are met after training: the map from what is known to rows must be that of the base classes."""
    whole = dict(zip("abcde", made(kind, named), strict=True))
    assert all(torch.equal(row, whole[name]) for name, row in zip("db", made(kind, named, "db"), strict=True))
    assert not torch.equal(whole["c"], whole["d"])


def test_bag_of_words_is_linear_in_the_counts(named):
    """d = b + c - a in words, so in rows too (a scale is shared by all classes); the order of words does not matter."""
    a, b, c, d, _ = made("bag_of_words", {name: row[:3] for name, row in named.items()})
    torch.testing.assert_close(d, b + c - a)
    turned = {**TEXTS, "b": "lobes two with cell round A."}
    torch.testing.assert_close(
        control_rows("bag_of_words", named, ["b"], 1, turned)[0], made("bag_of_words", named, "b")[0]
    )


@pytest.mark.parametrize("kind", ["shuffled", "random", "bag_of_words", "planted"])
def test_the_seed_decides(named, kind):
    first, again, other = (made(kind, named, seed=seed) for seed in (1, 1, 4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_real_rows_are_left_alone_and_none_are_none(rows, named):
    assert all(a is b for a, b in zip(made("real", named), rows, strict=True))
    assert [tensor.shape for tensor in made("none", named, "ab")] == [(0, 50), (0, 50)]


def test_the_callers_rows_and_the_global_generator_are_not_touched(rows, named):
    before, state = [tensor.clone() for tensor in rows], torch.get_rng_state()
    for kind in ("shuffled", "random", "bag_of_words", "planted"):
        made(kind, named)
    assert all(torch.equal(a, b) for a, b in zip(before, rows, strict=True))
    assert torch.equal(state, torch.get_rng_state())


def test_what_cannot_be_done_is_said(named):
    with pytest.raises(UserError, match="two classes"):
        made("shuffled", named, "a")
    with pytest.raises(UserError, match=r"'shufled'.*shuffled"):
        made("shufled", named)
    with pytest.raises(UserError, match=r"bag_of_words.*row file to hold the texts.*'a'"):
        control_rows("bag_of_words", named, ["a"], 0)
    with pytest.raises(UserError, match=r"planted.*words that the CLIP understands.*'e'"):
        control_rows("planted", named, ["a"], 0, features={name: torch.ones(2) for name in "abcd"})
