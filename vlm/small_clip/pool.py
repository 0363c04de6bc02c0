"""Random cells to learn from: every aspect drawn on its own, not kind by kind, and drawn to an array by several processes."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from datasets.phantom.cells import draw_cell
from datasets.phantom.draw import Cell, picture

SHAPES = {
    "round": {"elongation": (1.0, 1.2)},
    "oval": {"elongation": (1.32, 2.6)},
    "crescent": {"elongation": (2.0, 3.7), "bend": (0.4, 1.6), "point": (0.4, 1.0)},
    "tail": {"elongation": (1.0, 1.2), "tail": (0.4, 1.2)},
    "spikes": {"spikes": (3, 8), "spike_length": (0.22, 0.65), "spike_jitter": (0.5, 1.0)},
    "bumps": {"spikes": (9, 16), "spike_length": (0.09, 0.26), "spike_jitter": (0.0, 0.4)},
    "broken": {"elongation": (1.0, 1.8), "cuts": (1, 3)},
}
GRAINS = {
    "none": {},
    "fine": {"granules": ("fine",), "granule_colour": ("violet", "purple"), "granule_count": (8, 75)},
    "coarse": {"granules": ("coarse",), "granule_colour": ("orange", "dark blue"), "granule_count": (30, 115)},
}
CENTRES = {
    "even": {},
    "pale": {"centre": ("pale",), "centre_size": (0.25, 0.6), "centre_depth": (0.3, 0.9)},
    "spot": {"centre": ("spot",), "centre_size": (0.48, 0.75), "centre_depth": (0.4, 0.9)},
    "slit": {"centre": ("slit",), "centre_size": (0.35, 0.6), "centre_depth": (0.4, 0.9)},
}


def random_cell(rng: np.random.Generator) -> Cell:
    """A cell with shape, colour, size, middle, nucleus and grains drawn almost independently of each other."""
    red = rng.random() < 0.5
    nucleus = "none" if rng.random() < (0.93 if red else 0.3) else str(rng.choice(["round", "bent", "two", "many"]))
    plain_shape = rng.random() < (0.75 if nucleus != "none" else 0.25)
    shape = "round" if plain_shape else str(rng.choice(list(SHAPES)))
    grains = "none" if rng.random() < (0.93 if red else 0.35) else str(rng.choice(["fine", "coarse"]))
    centre = str(rng.choice(list(CENTRES))) if nucleus == "none" and (red or rng.random() < 0.3) else "even"
    ranges = {
        "size": (0.36, 0.8) if nucleus != "none" else (0.26, 0.56) if rng.random() < 0.75 else (0.12, 0.75),
        "body": ("red",) if red else ("pale pink", "light blue", "grey", "violet"),
        "depth": (0.65, 1.0),
        "nucleus": (nucleus,),
        "nucleus_size": (0.45, 0.95) if nucleus == "round" else (0.48, 0.78),
    }
    return draw_cell(ranges | SHAPES[shape] | GRAINS[grains] | CENTRES[centre], rng)


def draw_pool(count: int, seed: int, processes: int) -> tuple[np.ndarray, list[Cell]]:
    """`count` random cells: pictures (count, 64, 64, 3) uint8 and what was drawn. The result does not depend on `processes`."""
    chunk = 250
    starts = [(seed, start, min(start + chunk, count)) for start in range(0, count, chunk)]
    if processes > 1:
        with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as workers:
            drawn = list(workers.map(_draw_chunk, starts))
    else:
        drawn = [_draw_chunk(start) for start in starts]
    return np.concatenate([images for images, _ in drawn]), [cell for _, cells in drawn for cell in cells]


def _draw_chunk(span: tuple[int, int, int]) -> tuple[np.ndarray, list[Cell]]:
    seed, start, stop = span
    images, cells = [], []
    for index in range(start, stop):
        rng = np.random.default_rng([seed, index, 16])
        cells.append(random_cell(rng))
        images.append(picture(cells[-1], rng))
    return np.stack(images), cells
