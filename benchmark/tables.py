"""From results to tables: which cells there are, their mean and spread over seeds, which is best."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from benchmark.results import METRICS, Result
from benchmark.statistics import half_width_95, harmonic_mean, mean, sample_std
from datasets.quotas import COOP
from toolbox.scores import SCORES

Spread = Callable[[Sequence[float]], float | None]
SPREADS: dict[str, Spread] = {"std": sample_std, "ci95": half_width_95}


@dataclass(frozen=True)
class Cell:
    """Mean and spread over `n` seeds; value None is an empty cell."""

    value: float | None = None
    spread: float | None = None
    n: int = 0
    best: bool = False


@dataclass
class Table:
    """Rows of cells under a title; `lower` names columns where less is better, `whole` those shown without decimals."""

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Cell]]]
    notes: list[str] = field(default_factory=list)
    lower: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    head: str = "Method"
    """What rows are."""

    def mark_best(self) -> "Table":
        """Mark the best value of each column (ties: all), where there are two or more to choose from."""
        for i, column in enumerate(self.columns):
            values = [cells[i].value for _, cells in self.rows if cells[i].value is not None]
            if len(values) < 2:
                continue
            best = min(values) if column in self.lower else max(values)
            for _, cells in self.rows:
                if cells[i].value == best:
                    cells[i] = Cell(cells[i].value, cells[i].spread, cells[i].n, True)
        return self


def cell(values: Sequence[float], spread: Spread) -> Cell:
    """Summarise one value a seed."""
    return Cell(mean(values), spread(values), len(values)) if values else Cell()


def unique(items: Iterable) -> list:
    """The items without repeats, in order of first appearance."""
    return list(dict.fromkeys(items))


def by_test(results: list[Result]) -> Iterator[tuple[tuple[str, str, int | None, str | None], list[Result]]]:
    """Runs that may be shown side by side, under their (data set, side, shots, source)."""
    for key in unique((r.dataset, r.subset, r.shots, r.source) for r in results):
        yield key, [r for r in results if (r.dataset, r.subset, r.shots, r.source) == key]


def labels(results: list[Result]) -> dict[str, list[Result]]:
    """Row label -> its runs: the method, with variant, configuration or backbone where one method has several."""
    rows: dict[tuple, list[Result]] = {}
    for r in results:
        rows.setdefault((r.method, r.variant, r.backbone), []).append(r)
    named = {}
    for (method, variant, backbone), runs in rows.items():
        same = [key for key in rows if key[0] == method]
        extra = [_short_variant(variant, runs[0].cfg, same)] if len({key[1] for key in same}) > 1 else []
        extra += [str(backbone)] if len({key[2] for key in same}) > 1 else []
        extra = [text for text in extra if text]
        named[f"{method} ({', '.join(extra)})" if extra else method] = runs
    return named


def _short_variant(variant: str, cfg: str, same: list[tuple]) -> str:
    """Without the configuration's name, where all rows of the method have it: "small_clip-no_rows" becomes "no rows"."""
    if all(key[1] == cfg or key[1].startswith(f"{cfg}-") for key in same):
        return variant.removeprefix(cfg).removeprefix("-").replace("_", " ")
    return variant


def shots_of(results: list[Result]) -> str:
    """ ", 16 shots" or ", realistic draw, 16 shots" for a title, where all results have the same number of them, and draw."""
    found = {(r.shots, r.draw) for r in results}
    if len(found) != 1 or None in next(iter(found)):
        return ""
    ((shots, draw),) = found
    return ", full training set" if shots == -1 else f"{draw_of(draw)}, {shots} shot" + ("s" if shots > 1 else "")


def draw_of(draw: str) -> str:
    """ ", realistic draw" for a title; nothing for CoOp's own."""
    return "" if draw == COOP else f", {draw} draw"


def by_seed(results: Iterable[Result], metric: str, **where) -> dict[int, float]:
    """{seed: value} of the runs whose fields equal `where` and which measured the metric."""
    chosen = (r for r in results if all(getattr(r, key) == value for key, value in where.items()))
    return {r.seed: value for r in chosen if (value := r.value(metric)) is not None}


def of_metric(title: str, metric: str, columns: Sequence[str], rows: list, results: Iterable[Result] = ()) -> Table:
    """A table of one metric in all its columns: the best is marked by its direction, and what is undefined explained."""
    lower = frozenset(columns) if SCORES[metric].lower else frozenset()
    notes = undefined(results, [metric])
    return Table(title, list(columns), _filled(rows) or (rows if notes else []), notes, lower).mark_best()


def undefined(results: Iterable[Result], metrics: Iterable[str]) -> list[str]:
    """A sentence for each metric that is "-" because it means nothing on those test images."""
    return unique(
        f"{METRICS[metric]} is not defined on {r.dataset}{'' if r.subset == 'all' else f' ({r.subset})'}: {reason}."
        for metric in metrics
        for r in results
        if (reason := r.undefined(metric))
    )


BASE2NEW = ["Base", "New", "Harmonic mean", "HM of means"]


def base_to_new(results: list[Result], dataset: str, metric: str, spread: Spread) -> Table:
    """Base and new on one data set and, of metrics that can be averaged so, their harmonic mean: a seed's, averaged over
    seeds, and that of the means."""
    rows = []
    here = [r for r in results if r.dataset == dataset]
    for label, runs in labels(results).items():
        base = by_seed(runs, metric, dataset=dataset, subset="base")
        new = by_seed(runs, metric, dataset=dataset, subset="new")
        cells = [cell(list(base.values()), spread), cell(list(new.values()), spread)]
        if SCORES[metric].averaged:
            both = [harmonic_mean(base[s], new[s]) for s in sorted(base.keys() & new.keys())]
            of_means = Cell(harmonic_mean(cells[0].value, cells[1].value), n=len(both)) if both else Cell()
            cells += [cell(both, spread), of_means]
        rows.append((label, cells))
    columns = BASE2NEW if SCORES[metric].averaged else BASE2NEW[:2]
    title = f"{dataset}: {METRICS[metric]}, base-to-new{shots_of(results)}"
    return of_metric(title, metric, columns, rows, here)


def mean_of_base_to_new(tables: list[Table], metric: str, said: str = "") -> Table:
    """The average over data sets: mean of the data sets' harmonic means, and harmonic mean of the averaged base and new."""
    rows = []
    averaged = SCORES[metric].averaged
    for label, per_dataset in _complete(tables):
        means = [mean([cells[i].value for cells in per_dataset]) for i in range(3 if averaged else 2)]
        means += [harmonic_mean(*means[:2])] if averaged else []
        rows.append((label, [Cell(value, n=len(tables)) for value in means]))
    columns = ["Base", "New", "Mean of HMs", "HM of means"] if averaged else BASE2NEW[:2]
    return of_metric(f"Mean of {len(tables)} data sets: {METRICS[metric]}, base-to-new{said}", metric, columns, rows)


def by_metric(results: list[Result], dataset: str, spread: Spread) -> Table:
    """One data set, all classes, one number of shots: a column a metric."""
    here = [r for r in results if r.dataset == dataset]
    measured = [m for m in METRICS if any(r.value(m) is not None or r.undefined(m) for r in here)]
    rows = []
    for label, runs in labels(results).items():
        values = [list(by_seed(runs, m, dataset=dataset).values()) for m in measured]
        rows.append((label, [cell(v, spread) for v in values]))
    lower = frozenset(score.title for score in SCORES.values() if score.lower)
    return Table(
        f"{dataset}{shots_of(results)}",
        [METRICS[m] for m in measured],
        _filled(rows),
        undefined(here, measured),
        lower,
    ).mark_best()


def by_shots(results: list[Result], dataset: str, metric: str, spread: Spread) -> Table:
    """One data set, draw and metric: a column a number of shots. Untrained methods repeat theirs under every number."""
    shots = sorted({r.shots for r in results if r.shots is not None})
    rows = []
    for label, runs in labels(results).items():
        values = [list(by_seed(runs, metric, dataset=dataset, shots=s).values()) for s in shots]
        rows.append((label, [cell(v, spread) for v in values]))
    here = [r for r in results if r.dataset == dataset]
    title = f"{dataset}{draw_of(here[0].draw)}: {METRICS[metric]} by shots"
    return of_metric(title, metric, [str(s) for s in shots], rows, here)


def cross_dataset(results: list[Result], source: str, metric: str, spread: Spread) -> Table:
    """Trained on `source`: accuracy on it, on each target, and the mean of the targets."""
    chosen = [r for r in results if r.source == source or (r.source is None and r.dataset == source)]
    targets = unique(r.dataset for r in chosen if r.source == source)
    rows = []
    for label, runs in labels(chosen).items():
        cells = [cell(list(by_seed(runs, metric, dataset=name).values()), spread) for name in [source, *targets]]
        found = [c.value for c in cells[1:] if c.value is not None]
        average = Cell(mean(found), n=len(found)) if found and len(found) == len(targets) else Cell()
        rows.append((label, [*cells, average]))
    columns = [f"{source} (source)", *targets, "Mean of targets"]
    title = f"Trained on {source}{shots_of(chosen)}: {METRICS[metric]}"
    return of_metric(title, metric, columns, rows, chosen)


def mean_of(tables: list[Table], title: str) -> Table:
    """Cell-wise mean of tables with the same columns; a method that lacks a data set has no row."""
    columns = [c for c in tables[0].columns if all(c in t.columns for t in tables)]
    rows = []
    for label, per_dataset in _complete(tables):
        picked = [
            [cells[t.columns.index(c)].value for c in columns] for cells, t in zip(per_dataset, tables, strict=True)
        ]
        rows.append((label, [Cell(mean(column), n=len(tables)) for column in zip(*picked, strict=True)]))
    return Table(title, columns, rows, lower=tables[0].lower).mark_best()


def cost(results: list[Result]) -> Table:
    """What a method costs: trainable parameters, time a training step, whole training, testing, peak memory."""
    columns = {
        "Parameters": lambda r: r.trainable_params,
        "Step (ms)": lambda r: r.time.get("step_ms"),
        "Training (s)": lambda r: r.time.get("train_s"),
        "Test (s)": lambda r: r.time.get("test_s"),
        "Peak memory (MB)": lambda r: r.peak_memory_mb,
    }
    rows = []
    for label, runs in labels(results).items():
        values = [[float(v) for r in runs if (v := read(r)) is not None] for read in columns.values()]
        rows.append((label, [Cell(mean(v), n=len(v)) if v else Cell() for v in values]))
    whole = frozenset({"Parameters", "Peak memory (MB)"})
    return Table("Cost (mean over runs)", list(columns), _filled(rows), whole=whole)


def _complete(tables: list[Table]) -> list[tuple[str, list[list[Cell]]]]:
    """Rows that every table has, with no empty cell among them."""
    by_label = [dict(table.rows) for table in tables]
    shared = [label for label in by_label[0] if all(label in rows for rows in by_label)]
    found = [(label, [rows[label] for rows in by_label]) for label in shared]
    return [(label, cells) for label, cells in found if all(c.value is not None for row in cells for c in row)]


def _filled(rows: list[tuple[str, list[Cell]]]) -> list[tuple[str, list[Cell]]]:
    return [(label, cells) for label, cells in rows if any(c.value is not None for c in cells)]
