"""Learning curves: loss and accuracy an epoch, read from the lines that every trainer of the toolbox prints."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from benchmark.results import Result
from benchmark.tables import labels

_STEP = re.compile(r"^epoch \[(\d+)/\d+\].*? loss \S+ \(([^)]+)\)(?:.*? acc \S+ \(([^)]+)\))?", re.MULTILINE)


def learned(folder: Path) -> np.ndarray:
    """(epochs, 2), mean loss and accuracy (NaN where it is not told) over the steps of each epoch; none without a log.

    A run that was stopped and went on repeats epochs: the later lines count.
    """
    try:
        text = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return np.zeros((0, 2))
    last = {int(epoch): (_number(loss), _number(accuracy)) for epoch, loss, accuracy in _STEP.findall(text)}
    return np.array([last[epoch] for epoch in sorted(last)]).reshape(-1, 2)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def learning(results: list[Result], title: str) -> Figure | None:
    """Loss above, accuracy on the training images below, a line a method, seeds averaged; None where no log tells them."""
    curves = {}
    for label, runs in labels(results).items():
        found = [curve for r in runs if len(curve := learned(r.folder)) > 1]
        if found:
            epochs = min(map(len, found))
            curves[label] = np.mean([curve[:epochs] for curve in found], axis=0)
    if not curves:
        return None
    figure, panels = plt.subplots(2, 1, figsize=(7.5, 6), sharex=True, layout="constrained")
    for number, (label, curve) in enumerate(curves.items()):
        for axes, values in zip(panels, curve.T, strict=True):
            axes.plot(1 + np.arange(len(values)), values, label=label, color=f"C{number}")
    panels[0].set(ylabel="Loss")
    panels[1].set(ylabel="Training accuracy (%)", xlabel="Epoch")
    panels[0].set_title(title, fontsize=10)
    panels[0].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
