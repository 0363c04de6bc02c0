"""One self-contained HTML page: tables, comparisons and figures of a report; no file or network beside it."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from benchmark.below import lead_tables, metric_of, sentences
from benchmark.contribution_plot import contribution_figures
from benchmark.plots import figures
from benchmark.render import row
from benchmark.tables import Table, unique
from toolbox.files import atomic_text, atomic_write
from toolbox.names import OwnNames

if TYPE_CHECKING:
    from benchmark.compose import Report

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --best: #2563eb; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; margin: .5rem 0 }
caption { text-align: left; font-weight: 600; padding: .3rem 0 }
th, td { padding: .25rem .8rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left } td.best { font-weight: 700; color: var(--best) }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start }
figure { margin: 0 } img { max-width: 100%; background: white; border-radius: 4px }
.note { color: #777 } li { margin: .3rem 0 } summary { cursor: pointer; font-weight: 600 }
"""


def write_page(report: "Report", out: Path) -> Path:
    """Write `report.html` and each figure as PNG in `out`; returns the page's path."""
    page = out / "report.html"
    atomic_text(page, html(report, _saved(figures(report), out), _saved(contribution_figures(report), out)))
    return page


def _saved(made: Iterable[tuple[str, Figure]], out: Path) -> list[Path]:
    images, used = [], OwnNames()
    for stem, figure in made:
        path = out / f"{used.name(stem)}.png"
        atomic_write(path, lambda part, figure=figure: figure.savefig(part, dpi=110, format="png"))
        plt.close(figure)
        images.append(path)
    return images


def html(report: "Report", images: list[Path], of_rows: Sequence[Path] = ()) -> str:
    """The page's text; images are inside it, those `of_rows` beside what the rows contribute."""
    first = report.results[0]
    title = f"Benchmark: {', '.join(unique(r.dataset for r in report.results))}"
    main = report.by_metric.get(metric_of(first.draw)) or next(iter(report.by_metric.values()))
    more = [table for tables in report.by_metric.values() if tables is not main for table in tables]
    comparisons = "".join(f"<li>{escape(c.sentence())}</li>" for c in report.comparisons)
    compared = {c.sentence() for c in report.comparisons} | {*report.rows_notes, *sentences(report.leads)}
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in report.notes if note not in compared)
    runs = "".join(f"<li>{escape(str(r.folder))}</li>" for r in report.results)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="note">Backbone {escape(str(first.backbone))}; test transform {escape(str(first.transform))}; '
        f"{len(report.results)} runs.</p>",
        *map(_table, main),
        notes,
        f"<h2>Does the lead hold?</h2><ul>{comparisons}</ul>" if comparisons else "",
        _below_zero_shot(report),
        _what_rows_contribute(report, of_rows),
        f'<h2>Figures</h2><div class="figures">{"".join(map(_figure, images))}</div>' if images else "",
        f"<h2>Other metrics and cost</h2>{''.join(map(_table, more))}" if more else "",
        f"<details><summary>Runs</summary><ul>{runs}</ul></details>",
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(filter(None, parts))
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n'
    )


def _below_zero_shot(report: "Report") -> str:
    if not report.leads:
        return ""
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences(report.leads))
    return f"<h2>Below zero-shot</h2><ul>{said}</ul>{''.join(map(_table, lead_tables(report.leads)))}"


def _what_rows_contribute(report: "Report", images: Sequence[Path]) -> str:
    if not report.contributions:
        return ""
    said = "".join(f"<li>{escape(note)}</li>" for note in report.rows_notes)
    figures = f'<div class="figures">{"".join(map(_figure, images))}</div>'
    return f"<h2>What the rows contribute</h2><ul>{said}</ul>{figures}{''.join(map(_table, report.rows))}"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(c)}</th>" for c in ["Method", *table.columns])
    rows = []
    for label, cells in table.rows:
        shown = "".join(f"<td{' class=best' if best else ''}>{escape(text)}</td>" for text, best in row(table, cells))
        rows.append(f"<tr><td>{escape(label)}</td>{shown}</tr>")
    caption = f"<caption>{escape(table.title)}</caption>"
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in table.notes)
    body = f"{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="scroll"><table>{body}</table></div>{notes}'


def _figure(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    name = escape(path.stem.replace("_", " "))
    return f'<figure><img alt="{name}" src="data:image/png;base64,{data}"></figure>'
