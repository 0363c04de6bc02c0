"""Rows from their common centre: by the training classes' statistics, for whatever classes."""

import pytest
import torch

from llm.scaling import RowScaling, row_scaling
from toolbox.errors import UserError


@pytest.fixture
def rows():
    """Classes with 3 to 5 layers that have most in common, as a language model's rows do."""
    generator = torch.Generator().manual_seed(3)
    common = 3 * torch.randn(5, 40, generator=generator)
    return [common[:n] + torch.randn(n, 40, generator=generator) for n in (4, 3, 5, 5)]


def test_the_mean_of_each_layer_goes_and_its_mean_norm_stays(rows):
    scaled = RowScaling(rows)(rows)
    assert [r.shape for r in scaled] == [r.shape for r in rows]
    for layer in range(5):
        before, after = (torch.stack([r[layer] for r in some if len(r) > layer]) for some in (rows, scaled))
        torch.testing.assert_close(after.mean(0), torch.zeros(40), atol=1e-5, rtol=0)
        torch.testing.assert_close(after.norm(dim=1).mean(), before.norm(dim=1).mean())


def test_other_classes_are_scaled_by_the_training_classes(rows):
    scaling = RowScaling(rows[:2])
    other = RowScaling(rows[2:])
    mean = torch.stack([r[0] for r in rows[:2]]).mean(0)
    torch.testing.assert_close(scaling([rows[2][:3]])[0][0], (rows[2][0] - mean) * scaling.scale[0])
    other.make_room(len(scaling.mean))
    other.load_state_dict(scaling.state_dict())
    assert torch.equal(other([rows[3][:4]])[0], scaling([rows[3][:4]])[0])
    with pytest.raises(UserError, match="5 rows, the training classes had at most 4"):
        scaling(rows[2:])


def test_a_layer_with_nothing_to_compare_is_not_stretched(rows):
    """One class alone has the fifth layer; the first is equal in all."""
    rows = [torch.cat([torch.ones(1, 40), r[1:4]]) for r in rows[:3]] + [torch.cat([torch.ones(1, 40), rows[3][1:]])]
    scaled = RowScaling(rows)(rows)
    assert torch.equal(scaled[3][4], rows[3][4])
    assert torch.equal(scaled[0][0], torch.zeros(40))


def test_kinds(rows):
    assert row_scaling("none", rows) is None
    assert row_scaling("centred", [r[:0] for r in rows]) is None
    assert set(row_scaling("centred", rows).state_dict()) == {"mean", "scale"}
    with pytest.raises(UserError, match=r"'centered'.*centred"):
        row_scaling("centered", rows)
