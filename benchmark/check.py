"""What `--check` does: finished runs beside the figures that a plan states. Met, not met, or not run; nothing is run.

A figure is the mean over all seeds of the plan, and is *met* if that mean is within the tolerance of what is stated. It is
*not run* if a run is missing, was made with other settings, split, rows or weights than the plan asks for (its fingerprint
says so), cannot be compared because data or rows are not here, or saw other classes or another number of test images.
"""

from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from rich.console import Console

from benchmark.figures import BASE2NEW, HM_OF_MEANS, MEAN_OF_HMS, Figure
from benchmark.jobs import Job, finished
from benchmark.plan import Plan
from benchmark.results import Result, read_results
from benchmark.statistics import harmonic_mean, mean, sample_std
from toolbox.errors import UserError
from toolbox.words import shown

MET, NOT_MET, NOT_RUN = "met", "not met", "not run"
WIDTH = 80
NUMBERS = 37  # columns that a line's numbers and verdict take


@dataclass(frozen=True)
class Verdict:
    """A figure, what our runs say of it, and why they say nothing."""

    figure: Figure
    state: str
    ours: float | None = None
    spread: float | None = None
    """Standard deviation over seeds, of one data set alone."""
    reason: str = ""


def only_as_it_stands(args: Namespace) -> None:
    """Refuse settings that make the plan another one than its figures are of. Raises UserError that names the flag."""
    for name in (
        "methods",
        "datasets",
        "seeds",
        "shots",
        "draw",
        "backbone",
        "targets",
        "model_dir",
        "cfg",
        "opts",
        "again",
    ):
        if getattr(args, name):
            flag = f"--{name.replace('_', '-')}"
            raise UserError(
                f"--check compares with the plan as it stands: leave out {flag}, or change a copy of the plan"
            )


def check(plan: Plan, jobs: Sequence[Job], runner: str) -> list[Verdict]:
    """A verdict a figure, in the plan's order.

    Raises:
        UserError: the plan states no figures.
    """
    if plan.stated is None:
        raise UserError("the plan states no figures to compare with: --check is for plans such as those of plans/paper")
    known: dict[Job, Result | str] = {}

    def look(job: Job) -> Result | str:
        if job not in known:
            known[job] = _found(job, runner)
        return known[job]

    return [_verdict(figure, plan, jobs, look) for figure in plan.stated.figures]


def show(plan: Plan, verdicts: Sequence[Verdict], console: Console) -> int:
    """Print them in 80 columns; the exit code: 0 if all figures are met, else 1."""
    label = WIDTH - NUMBERS

    def print_line(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    print_line(f"{'Figure':<{label}} {'Stated':>7} {'+-':>5} {'Ours':>13}  Verdict".rstrip())
    print_line("─" * WIDTH)
    for verdict in verdicts:
        figure, ours = verdict.figure, _ours(verdict)
        numbers = f"{figure.value:>7.2f} {figure.tolerance:>5.2f} {ours:>13}  {verdict.state}"
        print_line(f"{_cut(shown(figure.title(plan.datasets)), label):<{label}} {numbers}")
    counts = {state: sum(v.state == state for v in verdicts) for state in (MET, NOT_MET, NOT_RUN)}
    print_line(", ".join(f"{n} {state}" for state, n in counts.items()) + f" of {len(verdicts)} figures")
    for reason in dict.fromkeys(v.reason for v in verdicts if v.reason):
        console.print(shown(f"Not run: {reason}"), highlight=False, markup=False, soft_wrap=not console.is_terminal)
    if plan.stated:
        print_line(f"Source: {shown(plan.stated.source)}")
    if plan.stated and plan.stated.gpu_hours is not None and counts[NOT_RUN]:
        print_line(
            f"All runs of the plan take about {plan.stated.gpu_hours:g} GPU hours; its first lines say how that is known"
        )
    return 0 if counts[MET] == len(verdicts) else 1


def _found(job: Job, runner: str) -> Result | str:
    """The job's result, or why there is none that can be compared."""
    try:
        if not finished(job, runner):
            return f"{job.output} is not there, or not finished"
        return next(result for result in read_results([job.output]) if result.folder == job.output)
    except UserError as error:
        return str(error)


def _verdict(figure: Figure, plan: Plan, jobs: Sequence[Job], look: Callable[[Job], Result | str]) -> Verdict:
    groups = _groups(figure, jobs)
    if not groups:
        return Verdict(figure, NOT_RUN, reason=f"the plan makes no run for {figure.title(plan.datasets)}")
    problems, by_dataset = [], {}
    for (dataset, seed), group in groups.items():
        found = [look(job) for job in group]
        problem = next((told for told in found if isinstance(told, str)), None) or _other_data(plan, dataset, found)
        if problem:
            problems.append(problem)
        else:
            by_dataset.setdefault(dataset, {})[seed] = {result.subset: result.value(figure.metric) for result in found}
    if problems:
        more = f" (and {len(problems) - 1} more of {len(groups)} runs)" if len(problems) > 1 else ""
        return Verdict(figure, NOT_RUN, reason=f"{problems[0]}{more}")
    return _compared(figure, by_dataset)


def _groups(figure: Figure, jobs: Iterable[Job]) -> dict[tuple[str, int], list[Job]]:
    """(data set, seed) -> the runs of it that belong together: one, or base and new."""
    groups: dict[tuple[str, int], list[Job]] = {}
    for job in jobs:
        if job.named == figure.method and figure.dataset in (None, job.dataset) and figure.shots in (None, job.shots):
            groups.setdefault((job.dataset, job.seed), []).append(job)
    return groups


def _other_data(plan: Plan, dataset: str, found: Sequence[Result]) -> str:
    """How classes, test images and rows of runs that belong together differ from what is stated; empty where they do not."""
    wanted = plan.stated.data.get(dataset, {}) if plan.stated else {}
    for result in found:
        model = (result.rows or {}).get("model")
        if result.rows and plan.stated and plan.stated.rows not in (None, model):
            return f"{result.folder} has rows of {model} and the figures are of {plan.stated.rows}"
        half = {"base": ceil(wanted.get("classes", 0) / 2), "new": wanted.get("classes", 0) // 2}
        classes = half.get(result.subset, wanted.get("classes"))
        if "classes" in wanted and len(result.classnames) != classes:
            return f"{result.folder} has {len(result.classnames)} classes and the figures are of {classes}"
    images = sum(sum(map(sum, result.metrics.get("confusion", []))) for result in found)
    if "test" in wanted and images != wanted["test"]:
        return f"{found[0].folder} tested {images} images of {dataset} and the figures are of {wanted['test']}"
    return ""


def _compared(figure: Figure, by_dataset: dict[str, dict[int, dict[str, float | None]]]) -> Verdict:
    values = []
    for dataset, seeds in by_dataset.items():
        sides = _sides(figure)
        if any(of_seed.get(side) is None for of_seed in seeds.values() for side in sides):
            return Verdict(figure, NOT_RUN, reason=f"{figure.metric} was not measured, or means nothing, on {dataset}")
        values.append([[float(of_seed[side] or 0) for side in sides] for of_seed in seeds.values()])
    if figure.side == HM_OF_MEANS:
        ours = harmonic_mean(*(mean([mean([s[i] for s in seeds]) for seeds in values]) for i in (0, 1)))
    else:
        ours = mean([mean([_one(of_seed) for of_seed in seeds]) for seeds in values])
    spread = sample_std([_one(s) for s in values[0]]) if len(values) == 1 and figure.side != HM_OF_MEANS else None
    # Both are means of decimals: 94.8 is within 1.0 of 93.8, whatever their binary forms say.
    met = round(abs(ours - figure.value) - figure.tolerance, 9) <= 0
    return Verdict(figure, MET if met else NOT_MET, ours, spread)


def _sides(figure: Figure) -> Sequence[str]:
    return BASE2NEW[:2] if figure.side in (MEAN_OF_HMS, HM_OF_MEANS) else (figure.side,)


def _one(sides: Sequence[float]) -> float:
    return sides[0] if len(sides) == 1 else harmonic_mean(*sides)


def _ours(verdict: Verdict) -> str:
    if verdict.ours is None:
        return "-"
    return f"{verdict.ours:.2f}" + ("" if verdict.spread is None else f"±{verdict.spread:.2f}")


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
