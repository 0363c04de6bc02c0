"""More than 8 bits become 8: against plain NumPy, and what a few pixels may not do to the rest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from datasets import stretch as module
from datasets.stretch import map_levels, stretch, value_range

TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "float32", "float64")


def plainly(values: np.ndarray) -> np.ndarray:
    """What `stretch` says it does, in NumPy's words and 80-bit numbers."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros(values.shape, np.uint8)
    low, high = np.percentile(finite, 1, method="higher"), np.percentile(finite, 99, method="lower")
    if not high > low:
        low, high = finite.min(), finite.max()
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    low, high, wide = np.longdouble(low), np.longdouble(high), values.astype(np.longdouble)
    return np.where(np.isnan(wide), 0, np.rint(255 * np.clip((wide - low) / (high - low), 0, 1))).astype(np.uint8)


@pytest.mark.parametrize("high", [5e-324, 1.0, 1e308])
def test_no_range_is_too_narrow_or_too_wide(high):
    assert stretch(np.array([[high, -high]])).tolist() == [[255, 0]]
    assert stretch(np.array([[high, 0.0]])).tolist() == [[255, 0]]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_against_plain_numpy(data):
    kind = np.dtype(data.draw(st.sampled_from(TYPES)))
    shape = data.draw(arrays.array_shapes(min_dims=2, max_dims=3, max_side=12))
    numbers = (
        st.floats(width=kind.itemsize * 8) | st.sampled_from([0.0, 1.0])
        if kind.kind == "f"
        else st.integers(max(int(np.iinfo(kind).min), -(2**40)), min(int(np.iinfo(kind).max), 2**40))
        | st.integers(0, 100)
    )
    values = data.draw(arrays.arrays(kind, shape, elements=numbers))
    before = values.copy()
    found = stretch(values)
    assert np.array_equal(values, before, equal_nan=kind.kind == "f")
    assert found.dtype == np.uint8 and found.shape == values.shape
    assert np.abs(found.astype(int) - plainly(values)).max() <= 1  # halves may round to either side


@pytest.mark.parametrize("kind", ["uint16", "int16", "int32", "float32", ">u2"])
def test_blocks_do_not_show(kind, monkeypatch):
    values = np.random.default_rng(0).integers(0, 4096, (70, 31)).astype(kind)
    whole = stretch(values)
    monkeypatch.setattr(module, "_BLOCK", 100)
    assert np.array_equal(stretch(values), whole)


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_a_hot_pixel_and_a_burnt_in_mark_do_not_blacken_the_rest(kind):
    tissue = np.random.default_rng(0).normal(1000, 200, (100, 100)).clip(0, 4095).astype(kind)
    clean = stretch(tissue).astype(int)
    for rows, columns in ((1, 1), (4, 20)):
        marked = tissue.copy()
        marked[:rows, :columns] = 65535
        found = stretch(marked).astype(int)
        assert (found[:rows, :columns] == 255).all()
        assert np.abs(found - clean)[rows:].max() <= 30
    hot = tissue[:5, :5].copy()
    hot[0, 0] = 65535
    assert np.ptp(stretch(hot).ravel()[1:]) > 200


def test_what_lies_outside_is_clipped_and_flat_images_are_black():
    assert stretch(np.full((2, 2), 7.0)).tolist() == [[0, 0], [0, 0]]
    assert stretch(np.array([np.nan, 0.0, 1.0, 2.0, np.inf, -np.inf])).tolist() == [0, 0, 128, 255, 255, 0]
    assert stretch(np.array([[np.nan]])).tolist() == [[0]]
    few = np.zeros((100, 100), np.uint16)
    few[0, :3] = 1000, 2000, 4000  # less than the 99th percentile: minimum and maximum
    assert stretch(few)[0, :4].tolist() == [64, 128, 255, 0]
    assert value_range(np.arange(1001)) == (10, 990)


def test_levels_become_colours():
    values = np.array([[3, 5], [5, 4]], np.int16)
    colours = {3: (1, 2, 3), 4: (4, 5, 6), 5: (7, 8, 9)}
    seen = {}

    def shade(levels, counts):
        seen.update(zip(levels.tolist(), counts.tolist(), strict=True))
        return np.array([colours[int(level)] for level in levels], np.uint8)

    assert map_levels(values, shade)[0, 1].tolist() == [7, 8, 9]
    assert map_levels(values.astype(np.float64), shade)[1, 1].tolist() == [4, 5, 6]
    assert seen == {3: 1, 4: 1, 5: 2}
