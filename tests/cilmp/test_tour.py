"""docs/tour.ipynb runs, and says what it was kept with."""

import ast
import contextlib
import io
import json
import re
from pathlib import Path

import numpy as np

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "tour.ipynb"
NUMBER = re.compile(r"\d+\.\d+(?:e-?\d+)?")
CLOSE = 0.15  # last digits hang on the machine


def run_cell(source: str, names: dict) -> str:
    """What a cell prints, and the repr of its last expression."""
    tree, out = ast.parse(source), io.StringIO()
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(out):
        exec(compile(tree, "cell", "exec"), names)
        value = None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    return out.getvalue() + ("" if value is None else repr(value))


def kept(cell: dict) -> str:
    return "".join("".join(o.get("text") or o["data"]["text/plain"]) for o in cell["outputs"])


def test_every_cell_says_what_it_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "tour"}
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 10 and all(cell["execution_count"] for cell in cells)
    for cell in cells:
        said, was = run_cell("".join(cell["source"]), names), kept(cell)
        words, were = ("".join(NUMBER.sub("#", text).split()) for text in (said, was))
        assert words == were, cell["source"]
        ours, theirs = ([float(n) for n in NUMBER.findall(text)] for text in (said, was))
        assert np.allclose(ours, theirs, atol=CLOSE), cell["source"]
