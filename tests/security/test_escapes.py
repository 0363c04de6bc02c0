"""What names from data say on terminals and in tables is their letters, nothing more."""

import csv
import io
import shlex

import pytest
from rich.console import Console

from benchmark import render, run
from benchmark.plots import plt
from benchmark.tables import Cell, Table
from benchmark.terminal import print_table

NAME = "kvasir[v2]\x1b[2J"


def table(name: str) -> Table:
    return Table(f"{name}: Accuracy", [f"{name} (source)"], [(f"=CoOp {name}|x", [Cell(50.0, 1.0, 3)])], notes=[name])


def test_the_terminal_shows_brackets_and_obeys_nothing():
    out = io.StringIO()
    print_table(table(NAME), Console(file=out, width=200))
    assert "\x1b[2J" not in out.getvalue()
    assert out.getvalue().count("kvasir[v2]\\x1b[2J") == 4


def test_markdown_keeps_its_columns():
    lines = render.markdown(table("a|b\nc")).splitlines()
    assert lines[0] == "### a|b\\nc: Accuracy"
    assert all(line.replace("\\|", "").count("|") == 3 for line in lines[2:5])


def test_no_cell_of_a_table_is_a_formula():
    rows = list(csv.reader(io.StringIO(render.as_csv([table("@x")]))))
    assert rows[1][:4] == ["'@x: Accuracy", "'=CoOp @x|x", "'@x (source)", "50.0"]


def test_a_caption_has_no_empty_line():
    text = render.latex(table("a\n\nb $x$ \\input{y}"))
    assert "\n\n" not in text
    assert r"\caption{a\textbackslash{}n\textbackslash{}nb \$x\$ \textbackslash{}input\{y\}: Accuracy." in text


def test_a_dollar_in_a_figure_is_a_dollar():
    figure, axes = plt.subplots()
    axes.set_title(r"a $\frac{ b")
    figure.canvas.draw()  # raises where it is taken for mathematics
    plt.close(figure)


def test_commands_of_a_dry_run_can_be_pasted(tmp_path, capsys):
    root = tmp_path / "my data; rm -r x"
    (root / "cells").mkdir(parents=True)
    (root / "cells/cells.json").write_text("{}")
    words = ["full", "--methods", "CoOp", "--datasets", "cells", "--seeds", "1", "--root", str(root), "--dry-run"]
    assert run.main(words) == 0
    (line,) = capsys.readouterr().out.splitlines()
    read = shlex.split(line)
    assert read[read.index("--root") + 1] == str(root)


@pytest.mark.parametrize("name", ["a\tb", "\x1b[1m", "left\u202eright"])
def test_class_names_that_cannot_be_shown(name, tmp_path):
    import json

    from datasets.split import read_split
    from toolbox.errors import UserError

    items = [["a.png", 0, name], ["b.png", 1, "other"]]
    (tmp_path / "s.json").write_text(json.dumps({"train": items, "val": [], "test": items}))
    with pytest.raises(UserError, match="has characters that cannot be shown") as error:
        read_split(tmp_path / "s.json")
    assert name not in str(error.value)
