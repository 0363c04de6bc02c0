"""The house keeps its rules: which room may know which, read from the import lines of the files."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

KNOWS = {
    "toolbox": set(),
    "datasets": {"toolbox"},
    "llm": {"toolbox", "datasets"},
    "vlm": {"toolbox", "datasets"},  # small_clip learns from cells drawn there
    "trainers": {"toolbox", "datasets", "llm", "vlm"},
    "benchmark": {"toolbox", "datasets", "llm", "vlm", "trainers", "train"},
    "speed": {"toolbox", "datasets", "llm", "vlm", "trainers", "benchmark", "train"},
    "cilmp": {"toolbox", "datasets", "llm", "vlm", "trainers", "benchmark", "train"},
}
"""A wing and the wings it may import from; `dassl` and `clip` are everybody's."""

LONGEST = 300
FREE = {"train.py", "parse_test_res.py"}


def files(*wings: str) -> list[Path]:
    return sorted(path for wing in wings for path in (ROOT / wing).rglob("*.py"))


def imports(path: Path, everywhere: bool = True) -> Iterator[str]:
    """Names of modules that a file imports, absolute; with `everywhere` those inside functions and for types too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{module}.{alias.name}" if _file_of(f"{module}.{alias.name}") else module


def _file_of(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return path / "__init__.py" if (path / "__init__.py").is_file() else None


@pytest.mark.parametrize("wing", KNOWS)
def test_a_wing_knows_only_those_below_it(wing):
    wings = {*KNOWS, "train"}
    strange = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files(wing)
        for name in imports(path)
        if (first := name.partition(".")[0]) in wings - {wing} and first not in KNOWS[wing]
    ]
    assert not strange


def test_methods_see_what_happens_around_them_through_the_base_alone():
    rooms = {"__init__", "base", "golden", "list"}
    strange = [
        f"{path.name} imports {name}"
        for path in (ROOT / "trainers").glob("*.py")
        if path.stem not in rooms
        for name in imports(path)
        if name.startswith("trainers.life")
    ]
    assert not strange


def test_no_circle():
    """Among imports at the top of files, which are those that a circle would break."""
    graph = {}
    for path in files(*KNOWS):
        if (ROOT / "toolbox/dassl") in path.parents or (ROOT / "toolbox/clip") in path.parents:
            continue  # a package of its own, in Dassl's layout
        graph[path] = {found for name in imports(path, everywhere=False) if (found := _file_of(name))} - {path}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(str(path.relative_to(ROOT)) for path in error.args[1]))


def test_files_can_be_read_in_one_go():
    long = {str(path.relative_to(ROOT)): n for path in files(*KNOWS, "tests") if (n := _lines(path)) > LONGEST}
    assert not long


def test_nothing_else_lies_at_the_root():
    assert {path.name for path in ROOT.glob("*.py")} == FREE


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
