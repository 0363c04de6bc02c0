"""Pixels of more than 8 bits as 8 bits: one function for every format, without copies of the image in larger numbers.

The range is robust: it goes from the 1st to the 99th percentile of the pixels, so that one hot pixel, a dead row or a mark
burnt into a corner does not leave the rest black. What lies outside is clipped.
"""

import math
from collections.abc import Callable

import numpy as np

PERCENTILES = (1, 99)
_BLOCK = 1 << 20  # pixels that are worked on at a time
_NARROW = 1 << 16  # integers that span no more than this go through a table


def stretch(values: np.ndarray) -> np.ndarray:
    """Numbers of any type, shape and range as uint8 of the same shape: `value_range` becomes 0..255.

    Of an image in colour (height, width, 3) all channels share one range, which keeps its hues. Constant images and NaN
    become 0; infinite values are clipped like all that lie outside the range.
    """
    if _narrow(values):
        return map_levels(values, lambda levels, counts: scale(levels, *value_range(levels, counts)))
    low, high = value_range(values)
    return _by_blocks(values, lambda block: scale(block, low, high), ())


def map_levels(values: np.ndarray, shade: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """`shade(levels, counts)`, called once for the distinct values, put where those values stand.

    `levels` (n,) ascend; `counts` (n,) say how often each occurs (a level may occur 0 times). What `shade` returns is uint8
    (n,) or, for colours, (n, 3); the result is `values.shape` or `values.shape + (3,)`.
    """
    if not values.size:
        return np.zeros(values.shape, np.uint8)
    if not _narrow(values):
        levels, places, counts = np.unique(values, return_inverse=True, return_counts=True)
        return shade(levels, counts)[places.reshape(values.shape)]
    low, high = int(values.min()), int(values.max())
    counts = np.zeros(high - low + 1, np.int64)
    for block in _blocks(values):
        counts += np.bincount(block.astype(np.intp) - low, minlength=len(counts))
    table = shade(np.arange(low, high + 1), counts)
    return _by_blocks(values, lambda block: table[block.astype(np.intp) - low], table.shape[1:])


def value_range(values: np.ndarray, counts: np.ndarray | None = None) -> tuple[float, float]:
    """The 1st and 99th percentile of the finite values; their minimum and maximum where the two percentiles are one value.

    Both are values of the image: the percentiles round inwards, so that a single pixel never sets the range.
    `counts` says how often each value stands in the image (once each without it). (0, 0) if there is no value.
    """
    if counts is None:
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values.flatten()
        if not finite.size:
            return 0.0, 0.0
        ends = finite.min(), finite.max()
        low = np.percentile(finite, PERCENTILES[0], method="higher", overwrite_input=True)
        high = np.percentile(finite, PERCENTILES[1], method="lower", overwrite_input=True)
    else:
        there = (counts > 0) & np.isfinite(values)
        levels, counts = values[there], counts[there]
        if not levels.size:
            return 0.0, 0.0
        order = np.argsort(levels)
        levels, below = levels[order], np.cumsum(counts[order])
        ranks = [(int(below[-1]) - 1) * (share / 100) for share in PERCENTILES]
        low, high = levels[np.searchsorted(below, [math.ceil(ranks[0]), math.floor(ranks[1])], side="right")]
        ends = levels[0], levels[-1]
    return (float(low), float(high)) if high > low else (float(ends[0]), float(ends[1]))


def scale(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """`values` as uint8: `low` and below become 0, `high` and above 255; all 0 if `high` is not above `low`."""
    return to_uint8(shares(values, low, high))


def shares(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Where `values` lie between `low` (0) and `high` (1), or beyond; all 0 if `high` is not above `low`."""
    if not high > low:
        return np.zeros(values.shape)
    part = 1.0 if math.isfinite(high - low) else 0.5  # halves, where the range is too wide for a number
    with np.errstate(invalid="ignore", over="ignore"):
        return (values.astype(np.float64) * part - low * part) / (high * part - low * part)


def to_uint8(shares: np.ndarray) -> np.ndarray:
    """0..1 as 0..255, rounded; what lies outside is clipped, NaN is 0."""
    return np.rint(np.nan_to_num(np.clip(shares, 0, 1)) * 255).astype(np.uint8)


def _narrow(values: np.ndarray) -> bool:
    if values.dtype.kind not in "iu" or not values.size:
        return False
    return values.dtype.itemsize <= 2 or int(values.max()) - int(values.min()) < _NARROW


def _blocks(values: np.ndarray):
    flat = values.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        yield flat[start : start + _BLOCK]


def _by_blocks(values: np.ndarray, function: Callable[[np.ndarray], np.ndarray], extra: tuple[int, ...]) -> np.ndarray:
    """`function`, which gives uint8 with `extra` axes at the end, of all values, a block at a time."""
    out = np.empty((values.size, *extra), np.uint8)
    start = 0
    for block in _blocks(values):
        out[start : start + block.size] = function(block)
        start += block.size
    return out.reshape(*values.shape, *extra)
