"""Each public release in miniature is prepared, checked, and trained on for a step; the split is the expected one."""

import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from dassl.data import DataManager
from dassl.data.datasets import build_dataset
from datasets.check.__main__ import main as check
from datasets.facts import FACTS
from datasets.loader import ImageDataset
from datasets.prepare.__main__ import main as prepare
from datasets.prepare.chest import kermany_patient
from datasets.prepare.raw import Entry
from datasets.prepare.releases import RELEASES
from datasets.prepare.skin import derm7pt_class
from datasets.readers import registry_name
from datasets.split import PARTS, read_split
from tests.datasets import raw_layouts
from tests.datasets.pictures import cells, picture
from toolbox.errors import UserError

LAYOUTS = {name: (name, getattr(raw_layouts, name)) for name in RELEASES} | {
    "aptos2019_three": ("aptos2019", raw_layouts.aptos2019_three),
    "bloodmnist": ("bloodmnist", raw_layouts.medmnist),
    "dermamnist": ("dermamnist", lambda raw: raw_layouts.medmnist(raw, "dermamnist", 7)),
    "folders": ("folders", raw_layouts.folders),
    "csv": ("csv", raw_layouts.csv_file),
}


def _prepared(tmp_path: Path, layout: str, *more: str) -> tuple[dict, object, Path]:
    """Build a raw layout, prepare it; returns what was expected, the split and the data set's folder."""
    name, build = LAYOUTS[layout]
    raw, root = tmp_path / "raw", tmp_path
    expected = build(raw)
    arguments = [name, "--raw", str(raw), "--root", str(root), "--size", "28", *more]
    if name in ("folders", "csv"):
        arguments += ["--folder", "own"]
    assert prepare(arguments) == 0
    folder = root / (FACTS[name].folder if name in FACTS else "own")
    file = FACTS[name].split_file if name in FACTS else "own.json"
    return expected, read_split(folder / file), folder


@pytest.mark.parametrize("layout", LAYOUTS)
def test_release_becomes_the_expected_split_passes_check_and_trains(layout, tmp_path, cfg_for, capsys):
    expected, split, folder = _prepared(tmp_path, layout)
    found = {part: {(Path(item.path).name, item.classname) for item in split.part(part)} for part in PARTS}
    if "any" in expected:
        assert set().union(*found.values()) == expected["any"]
        assert sum(map(len, found.values())) == len(expected["any"])
        assert all(found.values()) and split.meta["division"] == "seeded" and split.meta["seed"] == 1
    else:
        assert {part: items for part, items in found.items() if items} == expected
        assert split.meta["division"] == "official"
    name = LAYOUTS[layout][0]
    assert tuple(split.classnames) == (FACTS[name].classnames if name in FACTS else tuple(sorted(split.classnames)))
    assert all((folder / item.path).is_file() for part in PARTS for item in split.part(part))
    torn = {
        g
        for g in split.groups.values()
        if sum(any(split.groups.get(i.path) == g for i in split.part(p)) for p in PARTS) > 1
    }
    assert not torn or layout == "fetal_us"
    printed = capsys.readouterr().out
    assert name not in FACTS or (FACTS[name].licence in printed and FACTS[name].source in printed)

    assert check([name if name in FACTS else "own", "--root", str(tmp_path)]) == 0, capsys.readouterr().out
    cfg = cfg_for(registry_name(name)) if name in FACTS else cfg_for("split", FOLDER="own")
    cfg.DATALOADER.TRAIN_X.BATCH_SIZE = 4
    batch = next(iter(DataManager(cfg, dataset_wrapper=ImageDataset).train_loader_x))
    probe = torch.nn.Linear(3 * 16 * 16, len(split.classnames))
    torch.nn.functional.cross_entropy(probe(batch["img"].flatten(1)), batch["label"]).backward()
    assert probe.weight.grad.abs().sum() > 0


def test_preparing_twice_gives_the_same_split_and_another_seed_another(tmp_path):
    _, first, folder = _prepared(tmp_path, "kvasir")
    shutil.rmtree(folder)
    _, again, folder = _prepared(tmp_path, "kvasir")
    assert again == first
    shutil.rmtree(folder)
    _, other, _ = _prepared(tmp_path, "kvasir", "--seed", "2")
    assert other.train != first.train and other.meta["seed"] == 2


def test_zip_archives_are_unpacked_and_leave_nothing_behind(tmp_path):
    raw_layouts.isic(tmp_path / "raw")
    archives = []
    for path in sorted((tmp_path / "raw").iterdir()):
        archives.append(tmp_path / f"{path.stem}.zip")
        with zipfile.ZipFile(archives[-1], "w") as bundle:
            for file in [path] if path.is_file() else path.rglob("*"):
                bundle.write(file, file.relative_to(tmp_path / "raw"))
    assert prepare(["isic", "--raw", *map(str, archives), "--root", str(tmp_path / "data")]) == 0
    assert sorted(path.name for path in (tmp_path / "data/isic").iterdir()) == ["images", "split_isic.json"]
    assert len(read_split(tmp_path / "data/isic/split_isic.json").train) == 14


@pytest.mark.parametrize(
    ("how", "linked", "same"), [("link", False, True), ("copy", False, False), ("symlink", True, True)]
)
def test_images_are_linked_or_copied(tmp_path, cfg_for, how, linked, same):
    _, split, folder = _prepared(tmp_path, "folders", "--images", how)
    placed = folder / split.train[0].path
    source = tmp_path / "raw" / Path(split.train[0].path).relative_to("images")
    assert (placed.is_symlink(), placed.samefile(source)) == (linked, same)
    cfg = cfg_for("split", FOLDER="own", ALLOW_OUTSIDE=linked)
    assert len(build_dataset(cfg).test) == len(split.test)


def test_folders_with_parts_and_patients(tmp_path):
    for part in ("train", "valid", "testing"):
        for name in ("sick", "well"):
            picture(tmp_path / "raw" / part / name / "deep" / f"{part}_{name}.png")
    assert prepare(["folders", "--raw", str(tmp_path / "raw"), "--root", str(tmp_path), "--folder", "a"]) == 0
    split = read_split(tmp_path / "a/a.json")
    assert [Path(split.part(part)[0].path).name for part in PARTS] == [
        "train_sick.png",
        "valid_sick.png",
        "testing_sick.png",
    ]
    for patient in range(10):
        for view in range(3):
            picture(tmp_path / "films" / ("sick", "well")[patient % 2] / f"person{patient}_{view}.png")
    arguments = ["folders", "--raw", str(tmp_path / "films"), "--root", str(tmp_path), "--folder", "b"]
    assert prepare([*arguments, "--group-pattern", "(person[0-9]+)_", "--shares", "0.6", "0.2", "0.2"]) == 0
    split = read_split(tmp_path / "b/b.json")
    patients = [{split.groups[item.path] for item in split.part(part)} for part in PARTS]
    assert [len(p) for p in patients] == [6, 2, 2] and len(set().union(*patients)) == 10


def test_csv_with_named_columns_and_parts(tmp_path):
    rows = [
        {
            "scan": f"{i}",
            "finding": "ab"[i % 2],
            "who": f"p{i}",
            "fold": ("train", "train", "valid", "test")[i // 2 % 4],
        }
        for i in range(16)
    ]
    for row in rows:
        picture(tmp_path / "raw/x" / f"{row['scan']}.png")
    raw_layouts.table(tmp_path / "raw/labels.csv", rows, ";")
    raw_layouts.table(tmp_path / "raw/other.csv", rows)
    columns = ["--file-column", "scan", "--label-column", "finding", "--group-column", "who", "--part-column", "fold"]
    arguments = ["csv", "--raw", str(tmp_path / "raw"), "--root", str(tmp_path), "--folder", "a", *columns]
    with pytest.raises(UserError, match="2 csv files"):
        prepare(arguments)
    assert prepare([*arguments, "--table", "labels.csv"]) == 0
    split = read_split(tmp_path / "a/a.json")
    assert [len(split.part(part)) for part in PARTS] == [8, 4, 4]
    assert split.groups["images/x/5.png"] == "p5"


@pytest.mark.parametrize(
    ("name", "n_cls", "channels"), [("octmnist", 4, 1), ("breastmnist", 2, 1), ("retinamnist", 5, 3)]
)
def test_any_other_2d_medmnist_set(tmp_path, name, n_cls, channels):
    raw_layouts.medmnist(tmp_path / "raw", name, n_cls, 64, channels)
    assert prepare([f"medmnist:{name}", "--raw", str(tmp_path / "raw"), "--root", str(tmp_path), "--size", "64"]) == 0
    split = read_split(tmp_path / name / f"{name}.json")
    assert len(split.classnames) == n_cls and len(split.val) == n_cls
    assert split.train[0].path == "images/train/000000.png"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["kvasi"], "unknown data set 'kvasi'; nearest: .*kvasir"),
        (["kvasir"], "give the download with --raw"),
        (["kvasir", "--raw", "none"], "neither a folder nor a zip"),
        (["kvasir", "--raw", "EMPTY"], "no images in a folder 'dyed-lifted-polyps'"),
        (["aptos2019", "--raw", "EMPTY"], r"no train\.csv"),
        (["chaoyang", "--raw", "EMPTY"], r"train\.json"),
        (["isic", "--raw", "EMPTY"], r"Training_GroundTruth\.csv"),
        (["pneumonia3", "--raw", "EMPTY"], "no folder with train and test"),
        (["folders", "--raw", "EMPTY"], "no images found"),
        (["folders", "--raw", "EMPTY", "--group-pattern", "("], "no regular expression"),
        (["folders", "--raw", "EMPTY", "--group-pattern", "x"], "no bracket"),
        (["folders", "--raw", "EMPTY", "--folder", "../x"], "cannot be the name of a folder"),
        (["csv", "--raw", "EMPTY"], "0 csv files"),
        (["kvasir", "--raw", "EMPTY", "--shares", "0.5", "0.2", "0.2"], "three shares that sum to 1"),
        (["biomedcoop/busi", "--raw", "EMPTY"], r"no split_BUSI\.json"),
        (["medmnist:chestmnist", "--raw", "EMPTY"], "no 2-D set of MedMNIST with one label"),
        (["medmnist:organmnist3d", "--raw", "EMPTY"], "no 2-D set of MedMNIST"),
        (["bloodmnist", "--raw", "EMPTY"], r"no bloodmnist_224\.npz"),
        (["bloodmnist", "--raw", "EMPTY", "--size", "100"], "comes in 28, 64, 128, 224"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, arguments, message):
    if "mnist" in arguments[0]:
        pytest.importorskip("medmnist")
    (tmp_path / "empty").mkdir()
    arguments = [str(tmp_path / "empty") if word == "EMPTY" else word for word in arguments]
    with pytest.raises(UserError, match=message) as error:
        prepare([*arguments, "--root", str(tmp_path / "data")])
    assert "\n" not in str(error.value)
    assert not (tmp_path / "data").exists() or not any((tmp_path / "data").rglob("*.json"))


def test_prepared_split_is_not_overwritten_unasked(tmp_path):
    _prepared(tmp_path, "busi")
    with pytest.raises(UserError, match="already there; --overwrite"):
        _prepared(tmp_path, "busi")
    _prepared(tmp_path, "busi", "--overwrite")


def test_biomedcoop_archive_keeps_its_split(tmp_path, cfg_for):
    content = cells(tmp_path / "raw", classes=("benign tumor", "malignant tumor", "normal scan"), name="BUSI")
    (tmp_path / "raw/BUSI/BUSI").mkdir()
    (tmp_path / "raw/BUSI/images").rename(tmp_path / "raw/BUSI/BUSI/images")
    (tmp_path / "raw/BUSI/BUSI.json").rename(tmp_path / "raw/BUSI/split_BUSI.json")
    assert prepare(["biomedcoop/busi", "--raw", str(tmp_path / "raw"), "--root", str(tmp_path)]) == 0
    split = read_split(tmp_path / "BUSI/split_BUSI.json")
    assert {part: [list(item) for item in split.part(part)] for part in PARTS} == content
    assert build_dataset(cfg_for("BiomedCoOp_BUSI")).num_classes == 3


def test_image_of_two_classes_is_refused(tmp_path):
    raw_layouts.table(tmp_path / "raw/a.csv", [{"file": "1.png", "label": "x"}, {"file": "1.png", "label": "y"}])
    picture(tmp_path / "raw/1.png")
    with pytest.raises(UserError, match="an image has one label"):
        prepare(["csv", "--raw", str(tmp_path / "raw"), "--root", str(tmp_path), "--folder", "a"])


def test_medical_rules():
    assert {d: derm7pt_class(d) for d in raw_layouts.DERM7PT} == raw_layouts.DERM7PT
    assert kermany_patient(Path("person12_virus_3.jpeg"), "train") == "train-person12"
    assert kermany_patient(Path("NORMAL2-IM-0173-0001-0002.jpeg"), "test") == "test-NORMAL2-IM-0173"
    assert Entry(Path("a"), "x").part is None


def test_images_under_two_labels_are_left_out_of_pbc_and_copies_stay_together(tmp_path):
    raw_layouts.pbc(tmp_path / "raw")
    folder = tmp_path / "raw/PBC_dataset_normal_DIB"
    first, second, *_ = sorted((folder / "basophil").iterdir())
    (folder / "neutrophil/NEU_twice.jpg").write_bytes(first.read_bytes())
    (folder / "basophil/BA_again.jpg").write_bytes(second.read_bytes())
    assert prepare(["pbc", "--raw", str(tmp_path / "raw"), "--root", str(tmp_path / "data")]) == 0
    split = read_split(tmp_path / "data/pbc/pbc.json")
    parts = {Path(item.path).name: part for part in PARTS for item in split.part(part)}
    assert first.name not in parts and "NEU_twice.jpg" not in parts
    assert parts["BA_again.jpg"] == parts[second.name]
