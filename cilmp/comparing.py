"""`cilmp.compare`: several methods on the same splits from Python, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cilmp.fitting import dataset_at
from toolbox.errors import UserError

if TYPE_CHECKING:
    import pandas

    from benchmark.compose import Report


@dataclass(frozen=True, repr=False)
class Comparison:
    """Finished runs side by side; in a notebook it shows itself as tables."""

    report: "Report"

    def __repr__(self) -> str:
        methods = dict.fromkeys(run.method for run in self.report.results)
        return f"Comparison of {', '.join(methods)}: {len(self.report.results)} runs"

    def rows(self) -> list[dict[str, Any]]:
        """A row a run: method, variant, dataset, subset, shots, seed, and its metrics, 0 to 100."""
        return [
            {
                "method": run.method,
                "variant": run.variant,
                "dataset": run.dataset,
                "subset": run.subset,
                "shots": run.shots,
                "seed": run.seed,
                **{name: value for name, value in run.metrics.items() if isinstance(value, int | float)},
            }
            for run in self.report.results
        ]

    def to_pandas(self) -> "pandas.DataFrame":
        """`rows` as a data frame. Raises UserError where pandas is not installed."""
        try:
            import pandas
        except ImportError as error:
            raise UserError("pandas is not installed: pip install pandas, or use rows()") from error
        return pandas.DataFrame(self.rows())

    def to_markdown(self, metric: str = "accuracy") -> str:
        """Means and standard deviations over seeds, and what the comparison says of the differences."""
        from benchmark import render

        tables = "\n".join(map(render.markdown, self.report.printed([metric])))
        return tables + "".join(f"\n{note}\n" for note in self.report.notes)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


def compare(
    methods: Sequence[str],
    data: str | Path,
    *,
    shots: int | Sequence[int] = 16,
    seeds: int | Sequence[int] = 3,
    root: str | Path = "data",
    backbone: str = "small_clip",
    output: str | Path = "runs/compare",
    workers: int = 1,
    subject: str | None = None,
) -> Comparison:
    """Run methods with the same draws and seeds; runs that are in `output` already are not made again.

    Args:
        methods: names of `cilmp list methods`.
        data, root, backbone: as for `cilmp.fit`.
        shots: training images a class; several make a curve.
        seeds: how many, or which.
        workers: runs at a time. More than one makes processes that import the calling script: it must then begin its work
            below `if __name__ == "__main__":`.
        subject: the method that is compared with the best of the others.

    Raises:
        UserError: bad input, or a run failed.
    """
    from rich.console import Console

    from benchmark.compose import compose
    from benchmark.configs import Configs
    from benchmark.protocols import jobs_of
    from benchmark.results import read_results
    from benchmark.run import check_root, parser, plan_of, sweep

    name, root = dataset_at(data, Path(root))
    numbers = range(1, seeds + 1) if isinstance(seeds, int) else seeds
    few = [shots] if isinstance(shots, int) else shots
    words = ["few_shot", "--methods", *methods, "--datasets", name, "--root", str(root), "--output", str(output)]
    words += ["--seeds", *map(str, numbers), "--shots", *map(str, few), "--backbone", backbone]
    args = parser().parse_args([*words, "--workers", str(workers)])
    plan = plan_of(args)
    jobs = jobs_of(plan, Configs())
    check_root(plan)
    failed = [
        outcome for outcome in sweep(jobs, args, Console(stderr=True, force_jupyter=False)) if outcome.state == "failed"
    ]
    if failed:
        raise UserError(f"{failed[0].job.title} failed ({len(failed)} of {len(jobs)} runs): {failed[0].message}")
    return Comparison(compose(read_results([job.output for job in jobs]), spread="std", subject=subject))
