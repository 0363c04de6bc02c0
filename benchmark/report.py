"""Tables of finished runs: python -m benchmark.report output/base2new [more folders].

Reads `result.json` (of other repositories' runs, the end of `log.txt`), refuses what is not comparable, prints the
tables and writes them as Markdown, LaTeX and CSV, with --page also the plots and one self-contained HTML page.
"""

import argparse
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from benchmark import render
from benchmark.below import metric_of
from benchmark.compose import COST, Report, compose
from benchmark.jobs import ZERO_SHOT
from benchmark.plan import Plan
from benchmark.results import METRICS, read_results
from benchmark.tables import unique
from benchmark.terminal import print_table
from toolbox.command import program, run_command
from toolbox.errors import UserError
from toolbox.files import atomic_text, check_writable
from toolbox.parser import Parser
from toolbox.words import shown

FORMATS = ("terminal", "markdown", "latex", "csv")


@dataclass(frozen=True)
class Pictures:
    """What the page shows of test images."""

    images: bool = True
    """Thumbnails of mistakes and of doubtful hits; they hold pixels of the data."""
    heat_maps: bool = False
    """Beside each, what the model looked at; every method's model is opened for it."""


@dataclass(frozen=True)
class Settings:
    """What to show and where to write it."""

    out: Path
    metrics: tuple[str, ...] = ()
    """Metrics printed, none for that of the draw (`benchmark.below`); the files hold all of them."""
    cost: bool = False
    """Whether the table of parameters, times and memory is printed too."""
    spread: str = "std"
    subject: str | None = None
    allow: bool = False
    page: Pictures | None = None
    """None: no page."""
    show: str = "terminal"
    places: tuple[str, ...] = field(default_factory=tuple)
    """Lines printed last: where runs and files are."""


def settings_for(plan: Plan, made: Collection[str], page: Pictures | None) -> Settings:
    """The report of a sweep stands beside its runs, in a folder that names the protocol, the data and the methods.

    `made` are the methods that have a finished run: only such a one can be compared with the others.
    """
    names = unique(m.partition(":")[0] for m in plan.methods)
    trained = [m for m in names if m != ZERO_SHOT] or names
    data = plan.datasets[0] if len(plan.datasets) == 1 else f"{len(plan.datasets)}_datasets"
    out = plan.output / "reports" / plan.protocol / data / (trained[0] if len(trained) == 1 else "benchmark")
    runs = {"cross_dataset": "evaluation"}.get(plan.protocol, plan.protocol)
    subject = trained[0] if len(trained) == 1 and len(plan.methods) > 1 and trained[0] in made else None
    line = f"Runs (log.txt, result.json, predictions.npz, checkpoints): {plan.output / runs}/"
    return Settings(out, cost=page is not None, subject=subject, page=page, places=(line,))


def show(settings: Settings, folders: Sequence[Path]) -> None:
    """Read the runs in `folders`, print their tables, write the files and say where they are."""
    check_writable(settings.out, "give --out FOLDER")
    results = read_results(folders)
    if not results:
        raise UserError(f"no finished run in {', '.join(map(str, folders))}")
    report = compose(results, spread=settings.spread, subject=settings.subject, allow=settings.allow)
    files = _write(report, settings.out)
    if settings.page:
        from benchmark.page import write_page  # matplotlib takes a second to import

        files.insert(0, write_page(report, settings.out, settings.page))
    _print(report, settings)  # last: whoever reads the output may go away (`... | head`), the files are there
    console = Console(stderr=settings.show != "terminal")
    for line in [*settings.places, f"Tables: {', '.join(map(str, files))}"]:
        console.print(shown(line), highlight=False, markup=False, soft_wrap=True)


def _print(report: Report, settings: Settings) -> None:
    metrics = settings.metrics or unique(metric_of(r.draw) for r in report.results)
    tables = report.printed([*metrics, *([COST] if settings.cost else [])])
    if settings.show == "terminal":
        console = Console()
        for table in tables:
            print_table(table, console)
        for line in report.notes:  # on a terminal broken between words, for programs a line each
            console.print(shown(line), highlight=False, markup=False, soft_wrap=not console.is_terminal)
    elif settings.show == "csv":
        print(render.as_csv(tables), end="")
    else:
        make = render.markdown if settings.show == "markdown" else render.latex
        print("\n".join(map(make, tables)), end="")


def _write(report: Report, out: Path) -> list[Path]:
    tables = report.tables
    notes = "".join(f"{shown(note)}\n\n" for note in report.notes)
    texts = {
        "tables.md": "\n".join(map(render.markdown, tables)) + "\n" + notes,
        "tables.tex": "\n".join(map(render.latex, tables)),
        "tables.csv": render.as_csv(tables),
    }
    for name, text in texts.items():
        atomic_text(out / name, text)
    return [out / name for name in texts]


def add_page(add: Callable[..., object]) -> None:
    """Options of the page, for a parser whose `add_argument` is given."""
    add("--page", action="store_true", help="write plots and the HTML page too")
    add("--no-images", action="store_true", help="no thumbnails of test images on the page: for data not to be copied")
    add(
        "--heat-maps", action="store_true", help="beside the page's thumbnails, what the model looked at (takes longer)"
    )


def pictures_of(args: argparse.Namespace) -> Pictures:
    """What these options say.

    Raises:
        UserError: heat maps of no images.
    """
    if args.heat_maps and args.no_images:
        raise UserError("--heat-maps stand beside images, which --no-images leaves out: give one of them")
    return Pictures(not args.no_images, args.heat_maps)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = Parser(
        prog=program("python -m benchmark.report"),
        description=__doc__,
        raw=True,
    )
    add = parser.add_argument
    add("folders", nargs="+", type=Path, help="folders with runs, at any depth")
    add("--format", choices=FORMATS, default="terminal", help="what is printed; the files are always written")
    add(
        "--metrics",
        nargs="+",
        choices=list(METRICS),
        default=[],
        help="metrics printed; files hold all (default: accuracy, or balanced where draws are not)",
    )
    add("--cost", action="store_true", help="print parameters, times and memory too")
    add("--ci95", action="store_true", help="95%% interval of the mean over seeds (Student's t) instead of std")
    add("--subject", help="method compared with the best baseline (default: CILMP, else the best)")
    add("--allow", action="store_true", help="show runs that are not comparable too, and say so under the table")
    add_page(add)
    add("--out", type=Path, help="where files go (default: <first folder>/report)")
    args = parser.parse_args(argv)
    spread = "ci95" if args.ci95 else "std"
    out = args.out or args.folders[0] / "report"
    pictures = pictures_of(args) if args.page else None
    settings = Settings(out, tuple(args.metrics), args.cost, spread, args.subject, args.allow, pictures, args.format)
    show(settings, args.folders)
    return 0


if __name__ == "__main__":
    run_command(main)
