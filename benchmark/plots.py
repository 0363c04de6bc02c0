"""Figures of a report (matplotlib): curves over shots, base against new, per class, confusion, reliability."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")  # figures are written to files; no display is needed
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from benchmark.below import metric_of
from benchmark.jobs import ZERO_SHOT
from benchmark.learning import learning
from benchmark.results import METRICS, Result, read_predictions
from benchmark.statistics import mean, sample_std
from benchmark.tables import by_seed, by_test, draw_of, labels, unique
from benchmark.temperature import risk_coverage as risks
from datasets.quotas import COOP, with_draw
from toolbox.run_files import Predictions

if TYPE_CHECKING:
    from benchmark.compose import Report

matplotlib.rcParams["text.parse_math"] = False  # a $ in a name is a $

MOST_CLASSES = 40
"""Per-class figures are left out for data sets with more classes: nobody could read them."""

MOST_COUNTED = 16
"""Classes of a confusion matrix whose cells have room for a number."""

MARKERS, DASHES = "os^", ("-", "--", ":")


def figures(report: "Report") -> Iterator[tuple[str, Figure]]:
    """(file stem, figure) of every plot that the report's runs allow; each is to be closed by the caller."""
    plain = [r for r in report.results if r.subset == "all" and r.source is None]
    for dataset, draw in unique((r.dataset, r.draw) for r in plain):
        here = [r for r in plain if (r.dataset, r.draw) == (dataset, draw)]
        if len({r.shots for r in here if r.shots != -1}) > 1:
            yield with_draw(f"shots_{dataset}", draw), over_shots(here, f"{dataset}{draw_of(draw)}", metric_of(draw))
    results = [r for r in report.results if r.draw == COOP]  # of the others there are too many to look at each
    both = [r for r in results if r.subset in ("base", "new")]
    if {r.subset for r in both} == {"base", "new"}:
        yield "base_new", base_against_new(both)
    for (dataset, subset, shots, source), here in by_test(results):
        stem = "_".join(str(x) for x in (dataset, subset, shots, source and f"from_{source}") if x is not None)
        title = f"{dataset}, {subset} classes" + (f", trained on {source}" if source else "")
        if len(here[0].classnames) <= MOST_CLASSES:
            if len(labels(here)) > 1 and all(r.metrics.get("per_class") for r in here):
                yield f"per_class_{stem}", per_class(here, title)
            if all(r.metrics.get("confusion") for r in here):
                yield f"confusion_{stem}", confusion(here, title)
        if subset != "new" and source is None and (made := learning(here, title)):
            yield f"learning_{stem}", made
        if any((r.folder / "predictions.npz").exists() for r in here):
            yield f"reliability_{stem}", reliability(here, title)
            yield f"risk_coverage_{stem}", risk_coverage(here, title)


def over_shots(results: list[Result], title: str, metric: str) -> Figure:
    """The metric over shots, a line a method with a band of the standard deviation over seeds; zero-shot CLIP drawn through."""
    figure, axes = plt.subplots(figsize=(7.5, max(4.0, 0.21 * len(labels(results)))), layout="constrained")
    shots = sorted({r.shots for r in results if r.shots != -1})
    for number, (label, runs) in enumerate(labels(results).items()):
        if label == ZERO_SHOT:
            axes.axhline(mean(list(by_seed(runs, metric).values())), color="0.3", linestyle="--", label=label)
            continue
        values = {s: list(by_seed(runs, metric, shots=s).values()) for s in shots}
        values = {s: v for s, v in values.items() if v}
        middle, spread = (np.array([f(v) or 0 for v in values.values()]) for f in (mean, sample_std))
        marker, dash = MARKERS[number // 10 % len(MARKERS)], DASHES[number // 10 % len(DASHES)]  # of ten colours each
        (line,) = axes.plot(list(values), middle, label=label, marker=marker, linestyle=dash)
        axes.fill_between(
            list(values), middle - spread, middle + spread, color=line.get_color(), alpha=0.15, linewidth=0
        )
    axes.set(xscale="log", xlabel="Training images a class", ylabel=METRICS[metric], title=title)
    axes.set_xticks(shots, [str(s) for s in shots])
    axes.minorticks_off()
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))  # beside the curves, not over them
    return figure


def base_against_new(results: list[Result]) -> Figure:
    """A point a method and data set: accuracy on base and on new classes, with lines of equal harmonic mean."""
    figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
    grid = np.linspace(1, 100, 200)
    base, new = np.meshgrid(grid, grid)
    lines = axes.contour(
        base, new, 2 * base * new / (base + new), levels=range(10, 100, 10), colors="0.85", linewidths=0.8
    )
    axes.clabel(lines, fontsize=7, colors="0.6")
    points = []
    markers = dict(zip(unique(r.dataset for r in results), "osD^vPX*<>hp" * 10, strict=False))
    for number, (label, runs) in enumerate(labels(results).items()):
        for dataset, marker in markers.items():
            sides = [list(by_seed(runs, "accuracy", dataset=dataset, subset=side).values()) for side in ("base", "new")]
            if all(sides):
                points.append([mean(side) for side in sides])
                named = label if dataset == next(iter(markers)) else None
                axes.scatter(*points[-1], color=f"C{number}", marker=marker, label=named, s=50, zorder=3)
    low, high = np.min(points) - 5, np.max(points) + 5
    axes.set(xlim=(max(0, low), min(101, high)), ylim=(max(0, low), min(101, high)))
    axes.set(xlabel="Accuracy on base classes", ylabel="Accuracy on new classes")
    axes.set_title("Base against new (grey: equal harmonic mean)", fontsize=10)
    axes.legend(fontsize=8)
    return figure


def per_class(results: list[Result], title: str) -> Figure:
    """Each method's accuracy by class minus the first method's, seeds averaged."""
    rows = labels(results)
    names = list(results[0].metrics["per_class"])
    table = {k: np.mean([[r.metrics["per_class"][n] for n in names] for r in runs], 0) for k, runs in rows.items()}
    first, *others = table
    figure, axes = plt.subplots(figsize=(7, 1.5 + 0.22 * len(names) * max(1, len(others)) ** 0.7), layout="constrained")
    height = 0.8 / len(others)
    for number, label in enumerate(others):
        position = np.arange(len(names)) + number * height - 0.4 + height / 2
        axes.barh(position, table[label] - table[first], height, label=label, color=f"C{number + 1}")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set(xlabel=f"Class accuracy minus {first}'s (points)")
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8)
    return figure


def confusion(results: list[Result], title: str) -> Figure:
    """Confusion matrices, a panel a method: rows are true classes, coloured by percent of the class, seeds summed.

    Counts are written into the cells where there is room; the table under the figure on the page has them always.
    """
    rows = labels(results)
    names = list(results[0].classnames)
    side = max(2.6, 0.22 * len(names) + 1.2)
    across = min(4, len(rows))
    down = -(-len(rows) // across)
    size = (side * across + 1.5, side * down + 1.5)
    figure, panels = plt.subplots(
        down, across, figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained"
    )
    for axes in panels.flat[len(rows) :]:
        axes.set_visible(False)
    for axes, (label, runs) in zip(panels.flat, rows.items(), strict=False):
        counts = np.sum([r.metrics["confusion"] for r in runs], axis=0).astype(float)
        shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        image = axes.imshow(shares, vmin=0, vmax=100, cmap="Blues")
        image.counts = counts  # for the table
        for true, named in np.argwhere(counts) if len(names) <= MOST_COUNTED else ():
            dark = shares[true, named] > 50
            axes.text(
                named,
                true,
                f"{counts[true, named]:.0f}",
                ha="center",
                va="center",
                fontsize=6,
                color="w" if dark else "k",
            )
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.set_title(label, fontsize=9)
    figure.supylabel("True class", fontsize=9)
    figure.supxlabel("Predicted class", fontsize=9)
    figure.colorbar(image, ax=list(panels.flat), label="% of the true class", shrink=0.7)
    figure.suptitle(title, fontsize=10)
    return figure


def reliability(results: list[Result], title: str, bins: int = 10) -> Figure:
    """Accuracy against confidence in `bins` equal bins, a line a method, seeds pooled; below, how often each occurs."""
    figure, (axes, below) = plt.subplots(
        2, 1, figsize=(5, 5.5), height_ratios=(4, 1), sharex=True, layout="constrained"
    )
    axes.plot([0, 100], [0, 100], color="0.7", linestyle="--", label="calibrated")
    for label, kept in _kept(results):
        confidence = np.concatenate([p.probabilities.max(axis=1) for p in kept])
        correct = np.concatenate([p.correct for p in kept])
        which = np.minimum((confidence * bins).astype(int), bins - 1)
        filled = np.unique(which)
        x = [100 * confidence[which == b].mean() for b in filled]
        y = [100 * correct[which == b].mean() for b in filled]
        (line,) = axes.plot(x, y, marker="o", label=label)
        shares = 100 * np.bincount(which, minlength=bins) / len(which)
        below.stairs(shares, np.linspace(0, 100, bins + 1), color=line.get_color())
    axes.set(ylabel=METRICS["accuracy"] + " (%)", xlim=(0, 100), ylim=(0, 100))
    below.set(xlabel="Confidence (%)", ylabel="% of images")
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8)
    return figure


def risk_coverage(results: list[Result], title: str, points: int = 50) -> Figure:
    """Errors among the images answered, the most certain first, over the share that is answered; seeds averaged."""
    figure, axes = plt.subplots(figsize=(5, 4.5), layout="constrained")
    for label, kept in _kept(results):
        curves = [risks(p.probabilities, p.labels) for p in kept]
        shares = np.linspace(1 / points, 1, points)
        places = [np.maximum(np.ceil(shares * len(c)).astype(int), 1) - 1 for c in curves]
        middle = np.mean([100 * c[at] for c, at in zip(curves, places, strict=True)], axis=0)
        axes.plot(100 * shares, middle, label=f"{label} (AURC {100 * np.mean([c.mean() for c in curves]):.1f})")
    axes.set(xlabel="Images answered (%)", ylabel="Errors among them (%)", xlim=(0, 100))
    axes.set_ylim(bottom=0)
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8)
    return figure


def _kept(results: list[Result]) -> Iterator[tuple[str, list[Predictions]]]:
    """Each method's label and the predictions of its seeds, where there are any."""
    for label, runs in labels(results).items():
        kept = [p for r in runs if (p := read_predictions(r)) is not None]
        if kept:
            yield label, kept
