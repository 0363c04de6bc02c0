"""The figure beside "What the rows contribute": each class's accuracy with its own rows and with every control."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from benchmark.contribution import SIDES, SUBJECT, chance, class_accuracies, sections
from benchmark.plots import MOST_CLASSES
from benchmark.results import Result
from datasets.quotas import COOP

if TYPE_CHECKING:
    from benchmark.compose import Report


def contribution_figures(report: "Report") -> Iterator[tuple[str, Figure]]:
    """(file stem, figure) a data set and side; each is to be closed by the caller."""
    plain = [r for r in report.results if r.source is None and r.draw == COOP]
    for dataset, subset in sections(report.contributions):
        here = [r for r in plain if (r.dataset, r.subset) == (dataset, subset)]
        if len(here[0].classnames) <= MOST_CLASSES:
            yield f"rows_{dataset}_{subset}", by_class(here, dataset, subset)


def by_class(results: list[Result], dataset: str, subset: str) -> Figure:
    """A column a class, in the order of CILMP's accuracy, a mark a control, seeds averaged; a line at chance."""
    shots = next(r.shots for r in results if r.method == SUBJECT)
    found = class_accuracies(results, dataset, subset, shots)
    shown = {k: np.mean(list(runs.values()), axis=0) for k, (runs, kind) in found.items() if kind or k == SUBJECT}
    names = list(next(r for r in results if r.metrics.get("per_class")).metrics["per_class"])
    order = np.argsort(-shown[SUBJECT], kind="stable")
    figure, axes = plt.subplots(figsize=(2.5 + 0.24 * len(names), 4.5), layout="constrained")
    axes.bar(range(len(names)), shown.pop(SUBJECT)[order], color="0.85", label=f"{SUBJECT}, its own rows")
    for (label, values), marker in zip(shown.items(), "osD^vPX*<>hp" * 3, strict=False):
        axes.plot(range(len(names)), values[order], linestyle="", marker=marker, markersize=4, label=label)
    axes.axhline(chance(results, dataset, subset), color="0.3", linestyle="--", linewidth=0.8, label="chance")
    axes.set_xticks(range(len(names)), [names[i] for i in order], rotation=90, fontsize=7)
    axes.set(ylabel="Accuracy (%)", ylim=(0, 101))
    axes.set_title(f"{dataset}, {SIDES[subset]}: what the rows contribute", fontsize=10)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
