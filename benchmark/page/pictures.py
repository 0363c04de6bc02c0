"""A figure on the page: what to see in it, a text in its place, and its numbers as a table."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

CAPTIONS = {  # by how the figure's file begins: what it is, and what to look for
    "shots": (
        "Accuracy over training images a class",
        "A curve that stays below the dashed line is worse than not training.",
    ),
    "base_new": (
        "Base against new classes",
        "Up and to the right is better; on one grey line all have the same harmonic mean.",
    ),
    "per_class": (
        "Each class against the first method",
        "A bar to the left: this class got worse, whatever the mean says.",
    ),
    "learning": (
        "How each method learned",
        "Mean over the steps of an epoch. A loss that still falls at the end wants more epochs; training accuracy says "
        "nothing of new images.",
    ),
    "confusion": (
        "Which classes are taken for which",
        "Rows are the truth. Dark squares off the diagonal are the usual mistakes; numbers count images, seeds summed.",
    ),
    "reliability": (
        "Is a stated probability true?",
        "Below the dashed line a method is surer than it is right; the lower panel shows how often it says so.",
    ),
    "risk_coverage": (
        "What refusing the least certain images buys",
        "A curve that is low on the left and rises: its doubts mean something, and refusing them saves errors.",
    ),
    "rows": (
        "What the rows contribute",
        "A control that reaches CILMP's own bar means that its rows were not what helped.",
    ),
}
MOST_NUMBERS = 2000  # cells of the table under a figure


@dataclass(frozen=True)
class Picture:
    """As the template takes it. `numbers`: tables of texts, each with a title and its first row as the head."""

    stem: str
    data: str
    title: str
    caption: str
    numbers: list[tuple[str, list[list[str]]]]

    @property
    def alt(self) -> str:
        return f"{self.title}: {self.stem.replace('_', ' ')}. {self.caption} The numbers are in the table below."


def picture(stem: str, figure: Figure) -> Picture:
    """The figure as PNG in base64, with what belongs to it."""
    content = io.BytesIO()
    figure.savefig(content, dpi=80, format="png")
    kind = next((kind for kind in CAPTIONS if stem.startswith(kind)), "")
    title, caption = CAPTIONS.get(kind, (stem.replace("_", " "), ""))
    tables = [table for table in numbers(figure) if sum(map(len, table[1])) <= MOST_NUMBERS]
    return Picture(stem, base64.b64encode(content.getvalue()).decode(), title, caption, tables)


def numbers(figure: Figure) -> Iterator[tuple[str, list[list[str]]]]:
    """What is drawn, read off the figure: lines, bars, points and matrices, a table each panel."""
    for axes in figure.axes:
        x, y, title = axes.get_xlabel() or "x", axes.get_ylabel() or "y", axes.get_title()
        rows = [
            [line.get_label(), f"{a:g}", f"{b:.2f}"]
            for line in axes.lines
            if not line.get_label().startswith(("_", "calibrated")) and line.get_transform() == axes.transData
            for a, b in zip(line.get_xdata(), line.get_ydata(), strict=True)
        ]
        for points in axes.collections:
            offsets = np.asarray(points.get_offsets())
            if not str(points.get_label()).startswith("_") and offsets.size and offsets.shape[-1] == 2:
                rows += [[str(points.get_label()), f"{a:.2f}", f"{b:.2f}"] for a, b in offsets]
        if rows:
            yield title, [["", x, y], *rows]
        names = [text.get_text() for text in axes.get_yticklabels()]
        bars = [[str(bar.get_label()), *(f"{patch.get_width():.2f}" for patch in bar)] for bar in axes.containers]
        if bars and all(len(bar) == len(names) + 1 for bar in bars):
            yield title, [["", *names], *bars]
        for image in axes.images:
            matrix = np.asarray(getattr(image, "counts", image.get_array()))
            if matrix.ndim == 2 and len(names) == len(matrix):
                cells = ([name, *(f"{v:.0f}" for v in line)] for name, line in zip(names, matrix, strict=True))
                yield title, [["true \\ predicted", *names], *cells]
