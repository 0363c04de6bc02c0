"""One self-contained HTML page: verdict, tables, comparisons and figures of a report; no file or network beside it."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from benchmark.below import lead_tables, metric_of, sentences
from benchmark.classes import class_tables
from benchmark.contribution_plot import contribution_figures
from benchmark.page.examples import examples
from benchmark.page.facts import facts, verdicts
from benchmark.page.pictures import Picture, picture
from benchmark.plots import figures
from benchmark.render import row
from benchmark.report import Pictures
from benchmark.results import Result
from benchmark.tables import unique
from toolbox.files import atomic_text, atomic_write
from toolbox.names import OwnNames
from toolbox.run_files import find_result
from toolbox.words import shown

if TYPE_CHECKING:
    from benchmark.compose import Report

TEMPLATE = "template.html"
ALL = Pictures()


def write_page(report: "Report", out: Path, shown: Pictures = ALL, unfinished: str = "") -> Path:
    """Write `report.html` and each figure as PNG in `out`; returns the page's path.

    Args:
        shown: what the page shows of test images.
        unfinished: what a sweep that goes on has done so far; the page then is loaded again every few seconds.
    """
    page = out / "report.html"
    drawn = _saved(figures(report), out), _saved(contribution_figures(report), out)
    atomic_text(page, html(report, out, *drawn, shown, unfinished))
    return page


def _saved(made: Iterable[tuple[str, Figure]], out: Path) -> list[Picture]:
    found, used = [], OwnNames()
    for stem, figure in made:
        path = out / f"{used.name(stem)}.png"
        atomic_write(path, lambda part, figure=figure: figure.savefig(part, dpi=110, format="png"))
        found.append(picture(stem, figure))
        plt.close(figure)
    return found


def html(
    report: "Report",
    out: Path,
    pictures: list[Picture],
    of_rows: list[Picture],
    shown: Pictures = ALL,
    unfinished: str = "",
) -> str:
    """The page's text; images are inside it, those `of_rows` beside what the rows contribute. All names are escaped."""
    first = report.results[0]
    main = report.by_metric.get(metric_of(first.draw)) or next(iter(report.by_metric.values()))
    compared = [c.sentence() for c in report.comparisons]
    below = sentences(report.leads)
    said = {*compared, *report.rows_notes, *below}
    whole = [find_result(r.folder) or {} for r in report.results]
    synthetic = any(r.synthetic for r in report.results)
    images, image_notes = [], []
    if shown.images and not unfinished:
        images, image_notes = examples(report.results, whole, shown.heat_maps)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, finalize=_plain
    )
    return environment.get_template(TEMPLATE).render(
        title=f"Benchmark: {', '.join(unique(r.dataset for r in report.results))}",
        verdicts=list(verdicts(report.comparisons, synthetic)),
        main=main,
        notes=[note for note in report.notes if note not in said],
        facts=facts(report.results, whole),
        comparisons=compared,
        below=below,
        below_tables=lead_tables(report.leads) if report.leads else [],
        rows_notes=report.rows_notes if report.contributions else [],
        rows_pictures=of_rows,
        rows_tables=report.rows,
        pictures=pictures,
        classes=class_tables(report.results),
        images=images,
        image_notes=image_notes,
        unfinished=unfinished,
        more=[table for tables in report.by_metric.values() if tables is not main for table in tables],
        runs=[_run(r, kept, out) for r, kept in zip(report.results, whole, strict=True)],
        cells_of=row,
    )


def _plain(value: object) -> object:
    return shown(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _run(result: Result, kept: dict[str, Any], out: Path) -> tuple[str, str, str]:
    """Folder, its address as seen from the page, and the command that makes the run again."""
    return str(result.folder), Path(os.path.relpath(result.folder, out)).as_posix(), str(kept.get("command", ""))
