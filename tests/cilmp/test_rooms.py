"""The rooms are importable by name, and hide nothing of other programs; a clash is one sentence."""

import subprocess
import sys
from pathlib import Path

import pytest

from cilmp.rooms import ROOMS, open_rooms

ROOT = Path(__file__).resolve().parents[2]


def python(code: str, *path: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-P", "-c", f"import sys; sys.path[:0] = {[str(p) for p in path]!r}\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, cwd="/")


def test_another_package_of_a_rooms_name_is_said_in_a_sentence(tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("")
    ended = python("import datasets, cilmp", tmp_path, ROOT)
    last = ended.stderr.splitlines()[-1]
    assert ended.returncode == 1 and last.startswith("ImportError: datasets (") and str(tmp_path) in last
    assert last.endswith("import cilmp first, or use the two in different processes")


def test_ours_come_first(tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("")
    ended = python("import cilmp, datasets; print(datasets.__file__)", tmp_path, ROOT)
    assert ended.stdout.strip() == str(ROOT / "datasets" / "__init__.py"), ended.stderr


def test_installed_they_lie_below_the_package(tmp_path, monkeypatch):
    (tmp_path / "cilmp" / ROOMS[0]).mkdir(parents=True)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for room in ROOMS:
        monkeypatch.delitem(sys.modules, room, raising=False)
    open_rooms(tmp_path / "cilmp")
    assert sys.path[0] == str(tmp_path / "cilmp")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What `pip install .` puts into site-packages (pip fetches the builder from PyPI)."""
    there = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(there), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return there


def test_pip_installs_one_package_that_runs_from_anywhere(installed, tmp_path):
    assert {p.name for p in installed.iterdir()} - {"bin"} == {"cilmp", next(installed.glob("*.dist-info")).name}
    code = "from cilmp.__main__ import main\nimport trainers\nprint(trainers.__file__)\nmain(['list', 'methods'])"
    ended = python(code, installed)
    assert ended.stdout.startswith(str(installed / "cilmp" / "trainers")), ended.stderr
    assert "\nCILMP " in ended.stdout
    for file in ("configs/defaults.yaml", "llm/rows/kvasir.safetensors", "benchmark/page/template.html", "train.py"):
        assert (installed / "cilmp" / file).is_file()
