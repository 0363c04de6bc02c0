"""A table as Markdown, LaTeX or CSV (`benchmark.terminal`: for people)."""

import csv
import io

from tabulate import tabulate

from benchmark.tables import Cell, Table
from toolbox.words import cell, shown

_LATEX = {c: "\\" + c for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def number(cell: Cell, whole: bool = False, plus_minus: str = " ± ") -> str:
    """ "71.25 ± 0.60", "71.25" for a single value, "-" for none; `whole`: no decimals, but commas between thousands."""
    if cell.value is None:
        return "-"
    text = f"{cell.value:,.0f}" if whole else f"{cell.value:.2f}"
    return text if cell.spread is None else f"{text}{plus_minus}{cell.spread:.2f}"


def row(table: Table, cells: list[Cell], plus_minus: str = " ± ") -> list[tuple[str, bool]]:
    """(text, best) of each cell of a row."""
    columns = zip(table.columns, cells, strict=True)
    return [(number(cell, name in table.whole, plus_minus), cell.best) for name, cell in columns]


def markdown(table: Table) -> str:
    """A heading, a pipe table with the best in bold, the notes."""
    rows = [
        [_in_a_cell(label), *(f"**{text}**" if best else text for text, best in row(table, cells))]
        for label, cells in table.rows
    ]
    aligned = ["left", *["right"] * len(table.columns)]
    text = tabulate(
        rows, ["Method", *map(_in_a_cell, table.columns)], tablefmt="pipe", disable_numparse=True, colalign=aligned
    )
    notes = "".join(f"\n{shown(note)}\n" for note in table.notes)
    return f"### {shown(table.title)}\n\n{text}\n{notes}"


def _in_a_cell(text: str) -> str:
    return shown(text).replace("|", "\\|")


def latex(table: Table) -> str:
    """A `table` environment with booktabs rules (needs the booktabs package)."""
    lines = [r"\begin{table}[t]", r"\centering", rf"\caption{{{escape(' '.join([table.title + '.', *table.notes]))}}}"]
    lines += [rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule"]
    lines += [" & ".join(map(escape, ["Method", *table.columns])) + r" \\", r"\midrule"]
    for label, cells in table.rows:
        shown = [rf"\textbf{{{text}}}" if best else text for text, best in row(table, cells, r" $\pm$ ")]
        lines.append(" & ".join([escape(label), *shown]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def escape(text: str) -> str:
    """Text in one line, without LaTeX's special characters; an empty line would end a caption."""
    return "".join(_LATEX.get(c, c) for c in " ".join(shown(text).split())).replace("±", r"$\pm$")


def as_csv(tables: list[Table]) -> str:
    """All tables, a line a cell, at full precision: table, method, column, mean, spread, n."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", "method", "column", "mean", "spread", "n"])
    for table in tables:
        for label, cells in table.rows:
            for column, c in zip(table.columns, cells, strict=True):
                if c.value is not None:
                    spread = "" if c.spread is None else repr(c.spread)
                    writer.writerow([*map(cell, (table.title, label, column)), repr(c.value), spread, c.n])
    return out.getvalue()
