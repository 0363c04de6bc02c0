"""Which `clip` and `dassl` are taken; the modules of the running process are put back afterwards."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dassl
import toolbox
from toolbox.errors import UserError
from toolbox.mend import find_host

WORKING = """
_MODELS = {}
def load(name): pass
def tokenize(text): pass
def build_model(state): pass
def _download(url, root=None): pass
"""


@pytest.fixture
def fresh_clip(monkeypatch):
    """The test imports `clip` as if for the first time."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "clip"]:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "clip"]:
        del sys.modules[name]


def install(folder, monkeypatch, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(folder))


def test_the_header_names_both():
    assert toolbox.host().startswith("dassl: ")
    assert "clip: " in toolbox.host()


def test_a_clip_that_cannot_be_imported_is_passed_over(tmp_path, monkeypatch, fresh_clip, capsys):
    broken = {"clip/__init__.py": "from .clip import *", "clip/clip.py": "import a_package_that_is_gone"}
    install(tmp_path, monkeypatch, broken)
    assert find_host.find_clip() is None
    assert "a_package_that_is_gone" in capsys.readouterr().out
    clip = importlib.import_module("clip.clip")
    assert str(find_host.BUNDLED) in clip.__file__
    assert clip.tokenize("a cell").shape == (1, 77)


def test_something_else_called_clip_is_passed_over(tmp_path, monkeypatch, fresh_clip):
    install(tmp_path, monkeypatch, {"clip/__init__.py": "", "clip/clip.py": "text = 'a clipboard'"})
    assert find_host.find_clip() is None
    assert hasattr(importlib.import_module("clip"), "tokenize")


def test_a_working_clip_is_used(tmp_path, monkeypatch, fresh_clip):
    install(tmp_path, monkeypatch, {"clip/__init__.py": "", "clip/clip.py": WORKING})
    assert find_host.find_clip().__path__ == [str(tmp_path / "clip")]


def test_a_clip_whose_download_needs_a_folder_is_passed_over(tmp_path, monkeypatch, fresh_clip, capsys):
    other = WORKING.replace("_download(url, root=None)", "_download(url, root)")
    install(tmp_path, monkeypatch, {"clip/__init__.py": "", "clip/clip.py": other})
    assert find_host.find_clip() is None
    assert "_download" in capsys.readouterr().out


def test_a_folder_called_clip_is_no_package(tmp_path, monkeypatch, fresh_clip):
    (tmp_path / "clip").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_host.find_clip() is None


def test_dassl_home_must_hold_dassl(tmp_path, monkeypatch):
    monkeypatch.setenv("DASSL_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"DASSL_HOME=.* holds no dassl/ folder"):
        find_host.find_dassl()


@pytest.mark.skipif("bundled" not in dassl.__version__, reason="stock Dassl is in use")
def test_without_stock_dassl_the_bundled_one_is_used(monkeypatch):
    monkeypatch.delenv("DASSL_HOME", raising=False)
    assert find_host.find_dassl() is None
    assert "bundled" in toolbox.host()


def test_ours_reached_through_a_link_is_ours(tmp_path, monkeypatch, fresh_clip):
    (tmp_path / "linked").symlink_to(find_host.BUNDLED)
    monkeypatch.syspath_prepend(str(tmp_path / "linked"))
    assert find_host.find_clip() is None
    assert not find_host._is_elsewhere("clip")


@pytest.mark.parametrize(
    "home, command",
    [
        ("no dassl", ("train.py", "--trainer", "CoOp")),
        ("no dassl", ("-m", "trainers.list")),
        ("broken dassl", ("-m", "trainers.list")),
    ],
)
def test_a_bad_dassl_home_is_one_line_from_every_command(tmp_path, home, command):
    says = f"DASSL_HOME={tmp_path} holds no dassl/ folder"
    if home == "broken dassl":
        (tmp_path / "dassl").mkdir()
        (tmp_path / "dassl" / "__init__.py").write_text("import a_package_that_is_gone")
        says = "stock Dassl cannot be imported (No module named 'a_package_that_is_gone')"
    env = os.environ | {"DASSL_HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, *command], cwd=Path(toolbox.__file__).parents[1], env=env, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {says}") and ended.stderr.count("\n") == 1
