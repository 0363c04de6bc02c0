"""From ranges to a cell: what all kinds of drawn cells share."""

from dataclasses import fields

import numpy as np

from datasets.phantom.draw import Cell

MODALITY = "drawn blood smear"
TEMPLATES = ["a photo of a {}.", "a microscope image of a {}.", "a picture of a {} in a blood smear."]

_WHOLE = {f.name for f in fields(Cell) if f.type in (int, "int")}


def draw_cell(ranges: dict[str, tuple], rng: np.random.Generator) -> Cell:
    """One cell drawn from `ranges`: numbers evenly within (low, high), whole numbers inclusive, words by equal chance."""
    values = {}
    for name, choice in ranges.items():
        if isinstance(choice[0], str):
            values[name] = choice[int(rng.integers(len(choice)))]
        elif name in _WHOLE:
            values[name] = int(rng.integers(choice[0], choice[1] + 1))
        else:
            values[name] = float(rng.uniform(*choice))
    return Cell(**values)
