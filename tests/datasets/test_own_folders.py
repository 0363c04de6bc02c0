"""`prepare folders`: which folder is the class, parts under any name, masks, patients, copies, small cohorts."""

import shutil
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from datasets.prepare.__main__ import main as prepare
from datasets.prepare.parts import part_of
from datasets.split import PARTS, Split, read_split
from tests.datasets.pictures import picture
from toolbox.errors import UserError


@pytest.fixture
def folders(tmp_path, capsys):
    """Prepares `tmp_path/raw`; returns the split and what was printed."""

    def run(*more: str, raw: str = "raw") -> tuple[Split, str]:
        root = tmp_path / "data"
        arguments = ["folders", "--raw", str(tmp_path / raw), "--root", str(root), "--folder", "x", *more]
        try:
            prepare(arguments)
        except UserError as error:
            assert not root.exists() and "\n" not in str(error)
            raise
        return read_split(root / "x/x.json"), capsys.readouterr().out

    return run


def _fill(base: Path, folders: list[str], n: int = 4) -> None:
    for folder in folders:
        for index in range(n):
            picture(base / folder / f"{folder.replace('/', '-')}-{index}.png")


def _classes(split: Split) -> dict[str, int]:
    return dict(Counter(item.classname for part in PARTS for item in split.part(part)))


@pytest.mark.parametrize(
    "layout",
    [
        "{part}/{name}",
        "{name}/{part}",
        "top/{part}/{name}",
        "top/top/{name}/{part}",
        "{part}/images/{name}",
        "{part}/{name}/images",
    ],
)
@pytest.mark.parametrize("names", [("Train", "VAL", "test"), ("training_set", "Validation", "Test-Data")])
def test_parts_are_found_at_any_level_and_in_any_case(folders, tmp_path, layout, names):
    for part, n in zip(names, (4, 2, 3), strict=True):
        _fill(tmp_path / "raw", [layout.format(part=part, name=name) for name in ("sick", "well")], n)
    split, _ = folders()
    assert [len(split.part(part)) for part in PARTS] == [8, 4, 6]
    assert split.classnames == ["sick", "well"] and split.meta["division"] == "official"


def test_names_of_parts():
    assert [part_of(name) for name in ("TrainingData", "dev", "test set", "Val")] == ["train", "val", "test", "val"]
    assert [part_of(name) for name in ("tested negative", "trainee", "", "contest", "valve")] == [None] * 5


def test_parts_that_are_no_division(folders, tmp_path):
    _fill(tmp_path / "raw", ["train/a", "train/b"], 10)
    split, printed = folders()
    assert [len(split.part(part)) for part in PARTS] == [
        16,
        2,
        2,
    ] and "all images are in train: divided anew" in printed
    shutil.rmtree(tmp_path / "data")
    _fill(tmp_path / "raw", ["valid/a", "valid/b"], 5)
    with pytest.raises(UserError, match=r"10 images of val but no test; --parts val-is-test .* --parts ignore"):
        folders()
    split, _ = folders("--parts", "val-is-test")
    assert [len(split.part(part)) for part in PARTS] == [20, 0, 10]


def test_zip_with_one_top_folder(folders, tmp_path):
    _fill(tmp_path / "raw", ["top/a", "top/b", "__MACOSX/top/a"])
    with zipfile.ZipFile(tmp_path / "raw.zip", "w") as bundle:
        for file in (tmp_path / "raw").rglob("*.png"):
            bundle.write(file, file.relative_to(tmp_path / "raw"))
    split, printed = folders(raw="raw.zip")
    assert _classes(split) == {"a": 4, "b": 4} and "2 classes (a, b), by the folder at level 2" in printed


def test_class_levels(folders, tmp_path):
    _fill(tmp_path / "raw", ["a/p1", "a/p2", "b/p3"])
    with pytest.raises(UserError, match=r"--class-level 1 gives 2 classes \(a, b\), --class-level 2 gives 3 classes"):
        folders()
    with pytest.raises(UserError, match="--class-level 3: 12 of 12 images"):
        folders("--class-level", "3")
    split, _ = folders("--class-level", "1", "--group-pattern", "(p[0-9])/")
    assert _classes(split) == {"a": 8, "b": 4} and set(split.groups.values()) == {"p1", "p2", "p3"}


def test_folders_of_uneven_depth_are_asked_about(folders, tmp_path):
    _fill(tmp_path / "raw", ["a", "b/deep"])
    with pytest.raises(
        UserError, match=r"--class-level 1 gives 2 classes \(a, b\), --class-level -1 gives 2 .*\(a, deep\)"
    ):
        folders()


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (["a"], "all 4 images below .* are of one class, 'a'"),
        (["a", "A"], "'A' and 'a' are one name to a text encoder"),
        (["small_cell", "small-cell"], "'small-cell' and 'small_cell' are one name"),
        (["train/a", "test/a/val", "train/b"], "lies in test and in val"),
        (["train/a", "train/b", "test/a", "other/a"], "class folders beside train, val or test"),
        (["a", "b", ""], "4 images lie in no class folder"),
    ],
)
def test_layouts_that_are_refused(folders, tmp_path, layout, message):
    _fill(tmp_path / "raw", layout)
    with pytest.raises(UserError, match=message):
        folders()


@pytest.mark.parametrize("names", [("Basal_cell", "Basal cell"), ("Normal", "normal"), ("covid-19", "COVID 19")])
def test_folders_that_are_one_name_are_refused_not_merged(folders, tmp_path, names):
    _fill(tmp_path / "raw", [*names, "other"])
    with pytest.raises(UserError, match="are one name to a text encoder; give both one spelling"):
        folders()


def test_folder_of_files_named_like_masks_is_asked_about(folders, tmp_path):
    _fill(tmp_path / "raw", ["plain"])
    for index in range(4):
        picture(tmp_path / f"raw/with_mask/with_mask_{index}.png")
    with pytest.raises(UserError, match=r"with_mask holds nothing but files named like masks .* --masks keep"):
        folders()
    split, _ = folders("--masks", "keep")
    assert _classes(split) == {"plain": 4, "with mask": 4}


def test_pattern_is_searched_in_the_whole_path_and_must_find_all(folders, tmp_path):
    _fill(tmp_path / "raw", [f"{name}/case{i}" for name in "ab" for i in range(5)], 2)
    level = ("--class-level", "1")
    with pytest.raises(UserError, match=r"finds no patient in 20 of 20 images, first: a/case0/a-case0-0\.png"):
        folders(*level, "--group-pattern", "(person[0-9]+)")
    with pytest.raises(UserError, match="finds no patient in 4 of 20 images"):
        folders(*level, "--group-pattern", "(case[0-3])/")
    with pytest.raises(UserError, match="finds the same, 'case', in all 20"):
        folders(*level, "--group-pattern", "(case)")
    split, printed = folders(*level, "--group-pattern", r"(-\d\.png)?(case[0-9]-[0-9])")
    assert len(set(split.groups.values())) == 10 and "patients keep nothing" not in printed
    shutil.rmtree(tmp_path / "data")
    split, printed = folders(*level, "--group-pattern", r"/([ab]-case\d-\d)")
    assert not split.groups and "every image has a patient of its own" in printed


def test_patient_in_two_parts_of_the_download_is_refused(folders, tmp_path):
    _fill(tmp_path / "raw", ["train/a", "train/b", "test/a", "test/b"])
    pattern = ("--group-pattern", r"([ab]-\d)\.png")
    with pytest.raises(
        UserError, match="8 of 8 patients are in two parts of the download, first 'a-0' in test and train"
    ):
        folders(*pattern)
    split, _ = folders(*pattern, "--parts", "ignore")
    assert all(
        len({p for p in PARTS for i in split.part(p) if split.groups[i.path] == g}) == 1 for g in split.groups.values()
    )


def test_copies_stay_in_one_part(folders, tmp_path):
    _fill(tmp_path / "raw", ["a", "b"], 10)
    for index in range(10):
        shutil.copy(tmp_path / f"raw/a/a-{index}.png", tmp_path / f"raw/a/copy{index}.png")
    split, printed = folders()
    where = {item.path: part for part in PARTS for item in split.part(part)}
    assert all(where[f"images/a/a-{i}.png"] == where[f"images/a/copy{i}.png"] for i in range(10))
    assert "20 images are copies of one another (10 sets); copies stay in one part" in printed
    assert split.groups["images/a/copy3.png"] == "copies of images/a/a-3.png"
    split, printed = folders("--duplicates", "drop", "--overwrite")
    assert _classes(split) == {"a": 10, "b": 10} and "10 copies of images were left out" in printed
    split, printed = folders("--duplicates", "keep", "--overwrite")
    assert _classes(split) == {"a": 20, "b": 10} and not split.groups and "20 images are copies" in printed


def test_copies_in_two_parts_of_the_download_are_refused_or_dropped_from_train(folders, tmp_path):
    _fill(tmp_path / "raw", ["train/a", "train/b", "test/a", "test/b"])
    shutil.copy(tmp_path / "raw/test/a/test-a-0.png", tmp_path / "raw/train/a/again.png")
    with pytest.raises(
        UserError, match=r"1 sets of equal files are in two parts, first .*test-a-0\.png = .*again\.png"
    ):
        folders()
    split, _ = folders("--duplicates", "drop")
    assert [len(split.part(part)) for part in PARTS] == [8, 0, 8]


def test_copies_with_two_labels_are_told_and_dropped_together(folders, tmp_path):
    _fill(tmp_path / "raw", ["a", "b"], 5)
    shutil.copy(tmp_path / "raw/a/a-0.png", tmp_path / "raw/b/b-0.png")
    _, printed = folders()
    assert "1 sets of copies have different labels" in printed
    split, _ = folders("--duplicates", "drop", "--overwrite")
    assert _classes(split) == {"a": 4, "b": 4}


def test_a_class_that_cannot_be_tested_is_named(folders, tmp_path):
    _fill(tmp_path / "raw", ["a", "b"], 5)
    picture(tmp_path / "raw/rare/1.png")
    split, printed = folders()
    assert "class 'rare' cannot be in test: it has one image" in printed
    assert [item.classname for item in split.train].count("rare") == 1


def test_empty_file_is_named_and_nothing_is_left(folders, tmp_path):
    _fill(tmp_path / "raw", ["a", "b"])
    (tmp_path / "raw/a/a-1.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"a-1\.png is empty"):
        folders()


def test_refused_overwrite_keeps_the_split_that_was_there(folders, tmp_path):
    _fill(tmp_path / "raw", ["a", "b"])
    before, _ = folders()
    content = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    (tmp_path / "raw/a").rename(tmp_path / "a")
    with pytest.raises(UserError, match="of one class"):
        prepare(
            [
                "folders",
                "--raw",
                str(tmp_path / "raw"),
                "--root",
                str(tmp_path / "data"),
                "--folder",
                "x",
                "--overwrite",
            ]
        )
    assert {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()} == content
    assert read_split(tmp_path / "data/x/x.json") == before


@pytest.mark.parametrize("option", [["--group-pattern", "(a)"], ["--class-level", "1"], ["--table", "x"]])
def test_options_without_use_are_refused(tmp_path, option):
    with pytest.raises(UserError, match=f"{option[0]} is for"):
        prepare(["kvasir", "--raw", str(tmp_path), "--root", str(tmp_path / "data"), *option])
