"""`python -m toolbox.install`: into a checkout, without overwriting, and out again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from toolbox.errors import UserError
from toolbox.install import LINES, MANIFEST, ROOT, files, main

THEIRS = {
    "train.py": "import trainers.coop",
    "trainers/__init__.py": "",
    "trainers/coop.py": "theirs",
    "datasets/__init__.py": "",
    "configs/datasets/busi.yaml": "DATASET: {NAME: Theirs}",
}


@pytest.fixture
def checkout(tmp_path) -> Path:
    for name, text in THEIRS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def held(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_in_and_out_again(checkout, capsys):
    main([str(checkout)])
    out = capsys.readouterr().out
    assert LINES in out and "yours stays: configs/datasets/busi.yaml" in out
    assert {name: (checkout / name).read_text() for name in THEIRS} == THEIRS
    for name in (
        "vlm/small_clip/weights.safetensors",
        "trainers/life/config.py",
        "configs/trainers/CILMP/small_clip.yaml",
    ):
        assert (checkout / name).read_bytes() == (ROOT / name).read_bytes()
    assert not (checkout / "trainers/maple.py").exists()
    with pytest.raises(UserError, match="--undo"):
        main([str(checkout)])
    (checkout / "trainers/cilmp.py").write_text("changed")
    main([str(checkout), "--undo"])
    assert "changed since, and left: trainers/cilmp.py" in capsys.readouterr().out
    assert held(checkout) == THEIRS | {"trainers/cilmp.py": "changed"}


def test_a_dry_run_changes_nothing(checkout, capsys):
    main([str(checkout), "--dry-run"])
    assert "files would go into" in capsys.readouterr().out and held(checkout) == THEIRS


def imports(checkout: Path, code: str) -> str:
    """What the code prints in the checkout, which imports nothing from here but what was copied."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "DASSL_HOME")}
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, '')\n{code}"]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=True).stdout


def test_a_module_whose_place_is_taken_gets_another_name(checkout, capsys):
    """DePT has a trainers/base.py."""
    (checkout / "trainers/base.py").write_text("WHOSE = 'theirs'")
    main([str(checkout)])
    assert "yours stays: trainers/base.py (ours goes to trainers/cilmp_base.py)" in capsys.readouterr().out
    assert (checkout / "trainers/base.py").read_text() == "WHOSE = 'theirs'"
    said = imports(
        checkout,
        "import toolbox, trainers.cilmp, trainers.base\n"
        "from trainers.life import config, saved\n"
        "print(trainers.base.WHOSE, trainers.cilmp.CILMP.__mro__[1].__module__, trainers.cilmp.__file__)",
    )
    assert said.split()[:2] == ["theirs", "trainers.cilmp_base"]
    assert Path(said.split()[2]).parent == checkout / "trainers"
    main([str(checkout), "--undo"])
    assert held(checkout).keys() - {name for name in held(checkout) if "__pycache__" in name} == {
        *THEIRS,
        "trainers/base.py",
    }


def test_a_folder_open_clip_hides_nothing(checkout):
    """BiomedCoOp has one, with modules of its own."""
    (checkout / "open_clip/src").mkdir(parents=True)
    (checkout / "open_clip/__init__.py").touch()
    (checkout / "open_clip/src/theirs.py").write_text("WHOSE = 'theirs'")
    main([str(checkout)])
    code = "import toolbox, open_clip, open_clip.src.theirs as t; print(t.WHOSE, callable(open_clip.create_model))"
    assert imports(checkout, code).split() == ["theirs", "True"]


def test_their_data_set_of_the_same_name_stays_theirs(checkout):
    main([str(checkout)])
    code = """
import toolbox
from dassl.data.datasets import DATASET_REGISTRY
@DATASET_REGISTRY.register()
class BUSI: pass
import datasets.readers
print(DATASET_REGISTRY.get("BUSI") is BUSI, DATASET_REGISTRY.get("kvasir").__name__)
"""
    said = imports(checkout, code)
    assert "BUSI is the data set of __main__, registered before" in said and said.split()[-2:] == ["True", "kvasir"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("trainers/cilmp.py", "has a CILMP of its own, trainers/cilmp.py"),
        ("vlm.py", "has vlm.py, which a folder of that name would hide"),
        ("datasets/facts/cilmp.yaml", "datasets/facts/cilmp.yaml, which would be overwritten: nothing was copied"),
    ],
)
def test_what_leaves_no_place_stops_it_before_the_first_copy(checkout, name, says):
    (checkout / name).parent.mkdir(exist_ok=True)
    (checkout / name).write_text("theirs")
    with pytest.raises(UserError, match=says):
        main([str(checkout)])
    assert held(checkout) == THEIRS | {name: "theirs"}


def test_other_folders_are_refused(tmp_path):
    for folder, says in ((tmp_path, "no checkout"), (ROOT, "this repository itself")):
        with pytest.raises(UserError, match=says):
            main([str(folder)])
    with pytest.raises(UserError, match=f"no {MANIFEST}"):
        main([str(tmp_path), "--undo"])


def test_no_cache_is_copied():
    assert not [name for name in files() if "__pycache__" in name or name == "datasets/__init__.py"]
