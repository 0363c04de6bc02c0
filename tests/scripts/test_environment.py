"""The search for an interpreter, with a package of one file that no real environment has."""

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/lib/environment.py"


@pytest.fixture
def requirements(tmp_path):
    """A requirements file whose only package comes from a wheel beside it; nothing is fetched."""
    info = "tiny_thing-1.0.dist-info"
    with zipfile.ZipFile(tmp_path / "tiny_thing-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_thing.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "tiny_thing.py,,\n")
    path = tmp_path / "requirements.txt"
    path.write_text(f"--no-index\n--find-links {tmp_path}\ntiny-thing==1.0  # a comment\n")
    return path


def call(*words, **env):
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHON"} | env
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finish(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out.strip(), err


def test_current_environment_is_used_when_it_has_everything(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("# nothing\n")
    start = time.monotonic()
    assert finish(call(path, "--venv", tmp_path / "venv")) == (0, sys.executable, "")
    assert time.monotonic() - start < 5
    assert not (tmp_path / "venv").exists()


def test_what_is_missing_or_in_another_version_is_named(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("numpy==0.0.1\nno-such-thing==1.0\n")
    assert finish(call("--missing", path))[1].split() == ["numpy==0.0.1", "no-such-thing==1.0"]


def test_build_tag_of_torch_is_no_difference(tmp_path):
    import torch

    path = tmp_path / "requirements.txt"
    path.write_text(f"torch=={torch.__version__.split('+')[0]}\n")
    assert finish(call("--missing", path))[1] == ""


def test_two_scripts_at_once_over_a_half_made_environment(requirements, tmp_path):
    venv = tmp_path / "venv"
    venv.mkdir()
    (venv / ".installing").touch()
    (venv / "half").touch()
    results = [finish(p) for p in [call(requirements, "--venv", venv), call(requirements, "--venv", venv)]]
    python = str(venv / "bin/python")
    assert [(code, out) for code, out, _ in results] == [(0, python), (0, python)]
    said = [err for _, _, err in results]
    assert sum("cut short" in err for err in said) == 1
    assert sum("Making" in err for err in said) == 1
    assert not (venv / "half").exists()
    assert not (venv / ".installing").exists()
    assert subprocess.run([python, "-c", "import tiny_thing"]).returncode == 0
    assert finish(call(requirements, "--venv", venv)) == (0, python, "")


def test_an_environment_that_cannot_be_made_says_where_it_may_go(requirements, tmp_path):
    (tmp_path / "file").touch()  # a write-protected folder would not stop root
    code, out, err = finish(call(requirements, CILMP_VENV=str(tmp_path / "file" / "venv")))
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {tmp_path}/file: ")
    assert "CILMP_VENV=" in err
    assert err.count("\n") == 1


def test_python_of_choice_is_used_with_a_warning(requirements, tmp_path):
    code, out, err = finish(call(requirements, "--venv", tmp_path / "venv", PYTHON=sys.executable))
    assert (code, out) == (0, sys.executable)
    assert "tiny-thing==1.0" in err


def test_python_that_does_not_run(requirements, tmp_path):
    code, out, err = finish(call(requirements, "--venv", tmp_path / "venv", PYTHON="/bin/false"))
    assert (code, out, err) == (2, "", "error: PYTHON=/bin/false does not run\n")
