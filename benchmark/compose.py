"""All tables and notes that a set of runs makes, after the check that they may stand in one table."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmark import tables as t
from benchmark.below import Lead, lead_tables, leads, sentences
from benchmark.contribution import Contribution, chance, contribution_table, contributions, sections
from benchmark.fairness import require_fair
from benchmark.results import METRICS, Result
from benchmark.significance import Comparison, compare
from benchmark.tables import Spread, Table, unique
from datasets.quotas import COOP

ALL_METRICS = "all metrics"
EACH_DRAW = "all metrics of each draw"
COST = "cost"
METHODS = (
    "ZeroshotCLIP",
    "LinearProbe",
    "TipAdapter",
    "SSText",
    "LPPlusPlus",
    "LPText",
    "CLAP",
    "TipAdapterF",
    "CLIPAdapter",
    "CoOp",
    "CoCoOp",
    "VPT",
    "IVLP",
    "MaPLe",
    "KgCoOp",
    "ProGrad",
    "TCP",
    "ViP",
    "XCoOp",
    "CLIPLoRA",
    "PromptSRC",
    "BiomedCoOp",
    "",
    "CILMP",
)
"""Order of rows; "" stands for all other methods, in the order they are found."""


@dataclass
class Report:
    """Tables by metric (or ALL_METRICS, COST), comparisons and notes."""

    results: list[Result]
    by_metric: dict[str, list[Table]] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    contributions: list[Contribution] = field(default_factory=list)
    """CILMP against its controls."""
    leads: list[Lead] = field(default_factory=list)
    """Of all methods over zero-shot CLIP, in draws that are not CoOp's."""
    notes: list[str] = field(default_factory=list)

    @property
    def tables(self) -> list[Table]:
        """All of them."""
        return [table for tables in [*self.by_metric.values(), self.rows, lead_tables(self.leads)] for table in tables]

    @property
    def rows(self) -> list[Table]:
        """What the rows contribute, a table a data set."""
        return [
            contribution_table(self.contributions, name) for name in t.unique(c.dataset for c in self.contributions)
        ]

    @property
    def rows_notes(self) -> list[str]:
        """A sentence a comparison with a control, and what guessing would reach."""
        guessed = [
            f"{dataset}, {subset} classes: chance is {chance(self.results, dataset, subset):.1f} %"
            for dataset, subset in sections(self.contributions)
        ]
        return [*(c.sentence() for c in self.contributions), *guessed]

    def printed(self, keys: Sequence[str]) -> list[Table]:
        """Those for the chosen metrics (and COST where asked); tables of all metrics together are always among them."""
        return [table for key, tables in self.by_metric.items() if key in (*keys, ALL_METRICS) for table in tables]


def compose(results: list[Result], spread: str = "std", subject: str | None = None, allow: bool = False) -> Report:
    """Make every table that the runs allow. Raises UserError where they are not comparable and `allow` is false."""
    problems = require_fair(results, allow)
    results = sorted(results, key=lambda r: METHODS.index(r.method if r.method in METHODS else ""))
    report = Report(results)
    measure = t.SPREADS[spread]
    crossed = {r.source for r in results if r.source}
    plain = [r for r in results if r.subset == "all" and r.source is None and not (crossed and r.dataset in crossed)]

    def add(key: str, made: list[Table]) -> None:
        report.by_metric.setdefault(key, []).extend(table for table in made if table.rows)

    for metric in [m for m in METRICS if any(r.value(m) is not None or r.undefined(m) for r in results)]:
        for shots, draw in unique((r.shots, r.draw) for r in results):
            here = [r for r in results if (r.shots, r.draw) == (shots, draw)]
            add(metric, _base_to_new([r for r in here if r.subset != "all"], metric, measure))
            add(metric, [t.cross_dataset(here, source, metric, measure) for source in sorted(crossed)])
        for draw in unique(r.draw for r in plain):
            add(metric, _by_shots([r for r in plain if r.draw == draw], metric, measure))
    many = len({(r.shots, r.draw) for r in plain if r.draw != COOP}) > 1  # tables by shots say it shorter
    for draw in unique(r.draw for r in plain):
        made = _by_metric([r for r in plain if r.draw == draw], measure)
        add(EACH_DRAW if many and draw != COOP else ALL_METRICS, made)
    add(COST, [t.cost(results)])
    report.by_metric = {key: made for key, made in report.by_metric.items() if made}
    balanced = [r for r in results if r.draw == COOP]
    report.comparisons = compare(balanced, subject) if balanced else []
    report.contributions = contributions(balanced)
    report.leads = leads(results)
    report.notes = [_legend(results, spread), *(c.sentence() for c in report.comparisons), *report.rows_notes]
    report.notes += sentences(report.leads)
    report.notes += [f"NOT COMPARABLE (allowed by --allow): {problem}" for problem in problems]
    return report


def _base_to_new(results: list[Result], metric: str, spread: Spread) -> list[Table]:
    made = [t.base_to_new(results, dataset, metric, spread) for dataset in unique(r.dataset for r in results)]
    return [*made, t.mean_of_base_to_new(made, metric, t.shots_of(results))] if len(made) > 1 else made


def _by_shots(results: list[Result], metric: str, spread: Spread) -> list[Table]:
    if len({r.shots for r in results if r.shots not in (None, -1)}) < 2:
        return []
    limited = [r for r in results if r.shots != -1]
    made = [t.by_shots(limited, dataset, metric, spread) for dataset in unique(r.dataset for r in limited)]
    if len(made) > 1:
        said = t.draw_of(limited[0].draw)
        made.append(t.mean_of(made, f"Mean of {len(made)} data sets{said}: {METRICS[metric]} by shots"))
    return made


def _by_metric(results: list[Result], spread: Spread) -> list[Table]:
    made = []
    for shots in unique(r.shots for r in results):
        here = [r for r in results if r.shots == shots]
        per_dataset = [t.by_metric(here, dataset, spread) for dataset in unique(r.dataset for r in here)]
        made += per_dataset
        if len(per_dataset) > 1:
            made.append(t.mean_of(per_dataset, f"Mean of {len(per_dataset)} data sets{t.shots_of(here)}"))
    return made


def _legend(results: list[Result], spread: str) -> str:
    counts = {label: len({r.seed for r in runs}) for label, runs in t.labels(results).items()}
    most = max(counts.values())
    fewer = [f"{label}: {n}" for label, n in counts.items() if n < most]
    seeds = f"{most} seed{'s' if most > 1 else ''}" + (f" ({', '.join(fewer)})" if fewer else "")
    kind = "sample standard deviation" if spread == "std" else "half the 95 % interval of the mean (Student's t)"
    text = (
        f"Mean ± {kind} over {seeds}; 0-100; best in bold."
        if most > 1
        else f"One value a cell ({seeds}); 0-100; best in bold."
    )
    if any(r.subset != "all" for r in results):
        text += " Harmonic mean: of each seed's base and new, then averaged; HM of means: of the averaged base and new."
    if any(r.synthetic for r in results):
        text += " Synthetic images: figures on them check the machinery, they say nothing about patients."
    return text
