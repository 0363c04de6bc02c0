"""`python -m toolbox.install`: into a checkout, without overwriting, and out again."""

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


def test_a_file_of_theirs_stops_it_before_the_first_copy(checkout):
    (checkout / "trainers/base.py").write_text("DePT has one")
    with pytest.raises(UserError, match=r"trainers/base\.py, which would be overwritten: nothing was copied"):
        main([str(checkout)])
    assert held(checkout) == THEIRS | {"trainers/base.py": "DePT has one"}


def test_a_folder_that_hides_a_package_is_refused(checkout):
    (checkout / "open_clip").mkdir()
    with pytest.raises(UserError, match="open_clip/, which Python would take for the package"):
        main([str(checkout)])
    assert held(checkout) == THEIRS


def test_other_folders_are_refused(tmp_path):
    for folder, says in ((tmp_path, "no checkout"), (ROOT, "this repository itself")):
        with pytest.raises(UserError, match=says):
            main([str(folder)])
    with pytest.raises(UserError, match=f"no {MANIFEST}"):
        main([str(tmp_path), "--undo"])


def test_no_cache_is_copied():
    assert not [name for name in files() if "__pycache__" in name or name == "datasets/__init__.py"]
