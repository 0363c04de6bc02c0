"""A confusion matrix as a picture."""

from collections.abc import Sequence

import numpy as np

from cilmp.picture import Picture

MOST_NUMBERS = 20  # classes up to which counts are written into the squares
LONGEST = 30  # letters of a class name


def figure(counts: Sequence[Sequence[int]], classnames: Sequence[str], title: str) -> Picture:
    """Counts (n_cls, n_cls), rows the true classes, shaded by their share of the row."""
    matrix = np.asarray(counts)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 2 + 0.4 * min(len(classnames), 40)
    found = Picture(figsize=(side + 1, side), layout="constrained")
    axis = found.add_subplot()
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..." for name in classnames]
    axis.set_xticks(range(len(names)), names, rotation=90, parse_math=False)
    axis.set_yticks(range(len(names)), names, parse_math=False)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    axis.set_title(title, parse_math=False)
    if len(names) <= MOST_NUMBERS:
        for i, j in np.ndindex(matrix.shape):
            colour = "white" if shares[i, j] > 0.5 else "black"
            axis.text(j, i, str(matrix[i, j]), ha="center", va="center", color=colour, fontsize=8)
    return found
