"""The outline of a cell as a closed polygon, from a handful of shape numbers."""

import numpy as np

POINTS = 96


def outline(
    rng: np.random.Generator,
    elongation: float = 1.0,
    bend: float = 0.0,
    point: float = 0.0,
    tail: float = 0.0,
    spikes: int = 0,
    spike_length: float = 0.0,
    spike_jitter: float = 0.0,
    cuts: int = 0,
    wobble: float = 0.03,
) -> np.ndarray:
    """Polygon (points, 2) around the origin whose area is that of a circle of radius 1 before cuts and tail.

    `elongation` is long axis / short axis; `bend` curves the long axis into a crescent; `point` (0..1) sharpens its two ends;
    `tail` is the length of one drawn-out end in radii; `spikes` projections of `spike_length` radii stand evenly
    (`spike_jitter` 0) or irregularly (1); `cuts` straight pieces are broken off.
    """
    angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    radius = np.ones(POINTS)
    for order in (2, 3, 4):
        radius += wobble * rng.normal() / order * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    if spikes:
        radius += _spikes(rng, angle, spikes, spike_length, spike_jitter)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    if point:
        y *= (1 - np.minimum(np.abs(x), 1)) ** (0.5 * point)
    if tail:
        end = np.clip(x, 0, None)
        x, y = x + tail * end**4, y * (1 - 0.75 * np.clip(end, 0, 1) ** 1.5)
    stretch = np.sqrt(elongation)
    x, y = x * stretch, y / stretch
    if bend:
        y = y + bend * (0.45 * x**2 / stretch - 0.3 * stretch)
    polygon = np.stack([x, y], axis=1)
    for _ in range(cuts):
        polygon = _broken(polygon, rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.5))
    return polygon


def _spikes(rng: np.random.Generator, angle: np.ndarray, count: int, length: float, jitter: float) -> np.ndarray:
    """Radius to add along the outline: `count` bumps, regular in place and length where `jitter` is 0."""
    places = (np.arange(count) + jitter * rng.uniform(-0.45, 0.45, count)) * 2 * np.pi / count + rng.uniform(
        0, 2 * np.pi
    )
    lengths = length * (1 + jitter * rng.uniform(-0.7, 0.7, count))
    width = min(1.1 / count, 0.16)
    distance = (angle[:, None] - places + np.pi) % (2 * np.pi) - np.pi
    return (lengths * np.exp(-0.5 * (distance / width) ** 2)).sum(axis=1)


def _broken(polygon: np.ndarray, direction: float, distance: float) -> np.ndarray:
    """The polygon with all that lies beyond a straight line moved onto it, as if a piece were broken off."""
    normal = np.array([np.cos(direction), np.sin(direction)])
    beyond = np.clip(polygon @ normal - distance, 0, None)
    return polygon - beyond[:, None] * normal
