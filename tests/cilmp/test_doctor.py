"""`doctor`: what is here, and the next command."""

import importlib.metadata

from cilmp.__main__ import main
from cilmp.verbs import doctor


def test_it_tells_what_is_here_and_what_to_type(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["doctor", "--root", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"torch {importlib.metadata.version('torch')}" in out
    assert f"in {tmp_path}: nothing yet" in out
    assert "here: small_clip" in out and "BiomedCLIP (784 MB)" in out
    assert out.splitlines()[-1].startswith(f"next: python -m cilmp run base2new --root {tmp_path}")


def test_what_is_missing_is_named_with_the_command_that_installs_it(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED", ("torch", "no-such-package"))
    assert main(["doctor", "--root", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "no-such-package MISSING" in out
    assert out.splitlines()[-1] == "next: pip install no-such-package"
