"""Tables of each class: how many of its test images each method names rightly."""

from dataclasses import replace

from benchmark.results import Result
from benchmark.tables import SPREADS, Table, by_test, cell, labels, shots_of, unique
from datasets.quotas import COOP


def class_tables(results: list[Result], spread: str = "std") -> list[Table]:
    """One each data set, side and number of shots of CoOp's draw: a row a class, a column a method; the best is marked."""
    measured = [r for r in results if r.draw == COOP and r.metrics.get("per_class")]
    found = []
    for (dataset, subset, _, source), here in by_test(measured):
        methods = labels(here)
        rows = []
        for name in unique(name for r in here for name in r.metrics["per_class"]):
            values = [
                [r.metrics["per_class"][name] for r in runs if name in r.metrics["per_class"]]
                for runs in methods.values()
            ]
            cells = [cell([v for v in own if v is not None], SPREADS[spread]) for own in values]
            most = max((c.value for c in cells if c.value is not None), default=None)
            several = len(methods) > 1 and most is not None
            rows.append((name, [replace(c, best=several and c.value == most) for c in cells]))
        side = "" if subset == "all" else f" {subset} classes"
        trained = f", trained on {source}" if source else ""
        title = f"{dataset}{side}: accuracy of each class{shots_of(here)}{trained}"
        found.append(Table(title, list(methods), rows, head="Class"))
    return found
