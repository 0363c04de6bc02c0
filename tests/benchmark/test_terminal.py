"""Tables on terminals of any width: no number and no head is broken in two."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.tables import Cell, Table
from benchmark.terminal import SHORT, print_table

COLOUR = re.compile(r"\x1b\[(?:\d+;)*[349]\d")
ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ["Accuracy", "Macro-F1", "Balanced acc.", "AUC", "Kappa", "ECE"]
LABELS = ["ZeroshotCLIP", "CILMP (shuffled rows)", "a method of a very long name, longer than a terminal is wide" * 2]


def printed(width: int, n: int = len(COLUMNS)) -> list[str]:
    rows = [(label, [Cell(10.0 * i + j, 1.25, 3) for j in range(n)]) for i, label in enumerate(LABELS)]
    out = io.StringIO()
    print_table(Table("kvasir: all metrics", COLUMNS[:n], rows), Console(file=out, width=width))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 200])
def test_every_number_is_whole_and_no_line_is_too_long(width):
    lines = printed(width)
    assert all(len(line) <= width for line in lines)
    numbers = re.findall(r"(\d+\.\d\d) ?± ?(\d\.\d\d)", "\n".join(lines))
    assert sorted(numbers) == sorted((f"{10.0 * i + j:.2f}", "1.25") for i in range(3) for j in range(6))
    heads = [SHORT.get(name, name) for name in COLUMNS] if "Macro-F1 ┃" not in "".join(lines) else COLUMNS
    assert all(any(head in line for line in lines) for head in heads)


def test_a_wide_terminal_has_full_heads_and_one_table():
    lines = printed(300)
    assert sum("Method" in line for line in lines) == 1 and any("Balanced acc. ┃" in line for line in lines)


def test_short_heads_are_told():
    assert any("Bal. acc.: Balanced acc." in line for line in printed(80))


def test_each_part_has_the_methods():
    lines = printed(40)
    parts = sum(line.startswith("Method") for line in lines)
    assert parts > 1 and sum(line.startswith("ZeroshotCLIP") for line in lines) == parts


def test_there_is_no_colour_to_switch_off(base2new, tmp_path):
    """https://no-color.org: NO_COLOR holds, for bold is the only style, on what takes itself for a terminal of many colours."""
    environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "benchmark.report", str(base2new), "--out", str(tmp_path / "out")]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "CILMP" in said and "\x1b[1m" in said
    assert not COLOUR.search(said)
