"""Lists and tables of words fit a terminal, and are a line a row elsewhere."""

import pytest

from toolbox import columns
from toolbox.columns import table, told

PAIRS = [
    ("CoOp", "context vectors, shared by all classes or one set a class"),
    ("ViP", "prompts of values 0.125 to 0.25"),
]
LONG = [("benchmark/plans/a-name-of-some-length.yaml", said) for _, said in PAIRS]


@pytest.fixture
def terminal(monkeypatch):
    """Makes a terminal of so many columns; None is a pipe."""
    return lambda width: monkeypatch.setattr(columns, "terminal_width", lambda: width)


def test_a_pipe_has_a_line_each(terminal):
    terminal(None)
    assert told(PAIRS) == f"CoOp  {PAIRS[0][1]}\nViP   {PAIRS[1][1]}"
    assert told([("nothing", "")], "  ") == "  nothing" and told([]) == ""
    assert table([("a", "1.0"), ("b", "x" * 200)], ("head", "what")).splitlines()[2:] == [
        "a       1.0",
        f"b       {'x' * 200}",
    ]


@pytest.mark.parametrize("width", [30, 40, 60])
@pytest.mark.parametrize("pairs", [PAIRS, LONG])
def test_what_is_long_goes_on_below_and_no_word_is_broken(terminal, width, pairs):
    terminal(width)
    lines = told(pairs, "  ").splitlines()
    assert all(len(line) <= max(width, 2 + len(pairs[0][0])) for line in lines)
    assert " ".join(lines).split() == " ".join(f"{name} {said}" for name, said in pairs).split()
    assert lines[0].startswith(f"  {pairs[0][0]}") and lines[1].startswith("      ")


def test_a_wide_terminal_has_a_line_each(terminal):
    terminal(100)
    assert len(told(PAIRS).splitlines()) == 2


def test_a_table_that_does_not_fit_is_stacked(terminal):
    rows = [("CoOp", "16", "context vectors"), ("VPT", "0.125", "a share of them")]
    terminal(80)
    grid = table(rows, ("method", "default", "what"))
    assert grid.splitlines()[0].split() == ["method", "default", "what"] and len(grid.splitlines()) == 4
    terminal(25)
    stacked = table(rows, ("method", "default", "what"))
    assert stacked.splitlines() == [
        "CoOp",
        "    default  16",
        "    what     context",
        "             vectors",
        "VPT",
        "    default  0.125",
        "    what     a share of",
        "             them",
    ]


def test_the_width_is_the_terminals(monkeypatch):
    monkeypatch.setenv("COLUMNS", "33")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert columns.terminal_width() == 33
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    assert columns.terminal_width() is None
