"""Where methods fall below zero-shot CLIP: the draws that clinics have are tested against what needs no images at all."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.jobs import ZERO_SHOT
from benchmark.results import METRICS, Result
from benchmark.statistics import half_width_95, mean
from benchmark.tables import Cell, Table, by_seed, labels, unique
from datasets.quotas import COOP


def metric_of(draw: str) -> str:
    """The metric that tables of a draw print: rare classes count as much as others where the draw is not balanced."""
    return "accuracy" if draw == COOP else "balanced_accuracy"


@dataclass(frozen=True)
class Lead:
    """A method's lead over zero-shot CLIP at one number of shots, in points, averaged over seeds."""

    dataset: str
    draw: str
    method: str
    shots: int
    value: float
    half: float | None
    """Half the 95 % interval over seeds (Student's t); None for one seed."""
    zero_shot: float

    @property
    def below(self) -> bool:
        return self.value < 0

    def said(self) -> str:
        """ "1 by 12.3 ± 3.1", with a mark where the interval holds 0."""
        if self.half is None:
            return f"{self.shots} by {-self.value:.1f} (one seed)"
        if self.half == 0:  # of a data set no larger than the draw
            return f"{self.shots} by {-self.value:.1f} for every seed"
        chance = "" if self.half < -self.value else " (may be chance)"
        return f"{self.shots} by {-self.value:.1f} ± {self.half:.1f}{chance}"


def leads(results: list[Result]) -> list[Lead]:
    """Of every method and number of shots, on every data set that zero-shot CLIP was tested on; CoOp's draw left out."""
    found = []
    drawn = [r for r in results if r.draw != COOP and r.subset == "all" and r.source is None]
    for dataset, draw in unique((r.dataset, r.draw) for r in drawn):
        here = [r for r in drawn if (r.dataset, r.draw) == (dataset, draw)]
        rows = labels(here)
        base = list(by_seed(rows.get(ZERO_SHOT, []), metric_of(draw)).values())
        if not base:
            continue
        for label, runs in rows.items():
            for shots in [] if label == ZERO_SHOT else sorted(unique(r.shots for r in runs)):
                values = [value - mean(base) for value in by_seed(runs, metric_of(draw), shots=shots).values()]
                if values:
                    found.append(Lead(dataset, draw, label, shots, mean(values), half_width_95(values), mean(base)))
    return found


def lead_tables(found: Sequence[Lead]) -> list[Table]:
    """A table a data set and draw: a row a method, a column a number of shots."""
    tables = []
    for dataset, draw in unique((lead.dataset, lead.draw) for lead in found):
        here = [lead for lead in found if (lead.dataset, lead.draw) == (dataset, draw)]
        shots = sorted({lead.shots for lead in here})
        rows = []
        for method in unique(lead.method for lead in here):
            of_method = {lead.shots: Cell(lead.value, lead.half) for lead in here if lead.method == method}
            rows.append((method, [of_method.get(number, Cell()) for number in shots]))
        title = (
            f"{dataset}, {draw} draw: {METRICS[metric_of(draw)]} minus zero-shot's {here[0].zero_shot:.2f}, by shots"
        )
        tables.append(Table(title, [str(number) for number in shots], rows).mark_best())
    return tables


def sentences(found: Sequence[Lead]) -> list[str]:
    """What people need to know before they train on few images, for each data set and draw."""
    said = []
    for dataset, draw in unique((lead.dataset, lead.draw) for lead in found):
        here = [lead for lead in found if (lead.dataset, lead.draw) == (dataset, draw)]
        below: dict[str, list[str]] = {lead.method: [] for lead in here}
        for lead in here:
            below[lead.method] += [lead.said()] if lead.below else []
        fall = "; ".join(f"{method} at K = {', '.join(where)}" for method, where in below.items() if where)
        never = ", ".join(method for method, where in below.items() if not where)
        start = f"{dataset}, {draw} draw, {METRICS[metric_of(draw)]}: zero-shot CLIP has {here[0].zero_shot:.1f} without images"
        said.append(
            f"{start}; below it, in points: {fall or 'no method'}" + (f"; never: {never}" if fall and never else "")
        )
    return [*said, LEGEND] if said else []


LEGEND = "K: training images a class on average. After ±: half the 95 % interval over seeds, on these test images."
