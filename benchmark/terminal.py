"""A table for people, in as many columns as their terminal has: short heads first, then parts below each other.

No number and no head is ever broken in two.
"""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from benchmark.render import row
from benchmark.tables import Table
from toolbox.words import shown

SHORT = {
    "Accuracy": "Acc.",
    "Macro-F1": "F1",
    "Balanced acc.": "Bal. acc.",
    "Harmonic mean": "HM",
    "HM of means": "HM means",
    "Mean of HMs": "mean HM",
    "Mean of targets": "targets",
    "Parameters": "Param.",
    "Training (s)": "Train (s)",
    "Peak memory (MB)": "Peak (MB)",
}
LABEL = 0.5  # share of the terminal's width that names of methods may take


def print_table(table: Table, console: Console) -> None:
    """Print it with its notes; the best of a column is bold."""
    every = list(range(len(table.columns)))
    grid = _grid(table, every)
    if _width(grid, console) <= console.width:
        console.print(grid)
    else:
        for places in _parts(table, console):
            console.print(_short(table, places, console, titled=places[0] == 0))
        used = [name for name in table.columns if name in SHORT]
        if used:
            says = ", ".join(f"{SHORT[name]}: {name}" for name in used)
            console.print(says, highlight=False, markup=False)
    for note in table.notes:
        console.print(shown(note), highlight=False, markup=False)


def _parts(table: Table, console: Console) -> list[list[int]]:
    """Columns by number, in groups that fit side by side; at least one each."""
    parts: list[list[int]] = []
    for place in range(len(table.columns)):
        if parts and _width(_short(table, [*parts[-1], place], console), console) <= console.width:
            parts[-1].append(place)
        else:
            parts.append([place])
    return parts


def _short(table: Table, places: Sequence[int], console: Console, titled: bool = True) -> RichTable:
    return _grid(table, places, short=True, widest=int(console.width * LABEL), titled=titled)


def _grid(
    table: Table, places: Sequence[int], short: bool = False, widest: int | None = None, titled: bool = True
) -> RichTable:
    # Names from data are Text, for Rich takes the [v2] of a plain string for markup.
    title = Text(shown(table.title)) if titled else None
    grid = RichTable(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD if short else box.HEAVY_HEAD,
        padding=(0, 1, 0, 0) if short else (0, 1),
        show_edge=not short,
    )
    grid.add_column("Method", no_wrap=True, max_width=widest)
    names = [SHORT.get(name, name) if short else name for name in table.columns]
    for place in places:
        grid.add_column(Text(shown(names[place])), justify="right", no_wrap=True)
    for label, cells in table.rows:
        texts = row(table, cells, "±" if short else " ± ")
        chosen = (Text(texts[i][0], style="bold" if texts[i][1] else "") for i in places)
        grid.add_row(Text(shown(label), overflow="ellipsis"), *chosen)
    return grid


def _width(grid: RichTable, console: Console) -> int:
    """Of the grid without its title, which may be broken between words."""
    title, grid.title = grid.title, None
    found = Measurement.get(console, console.options.update(max_width=10_000), grid).maximum
    grid.title = title
    return found
