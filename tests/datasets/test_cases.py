"""Layouts of public releases that were once read wrongly, each with what must come of it (`tests/cases`)."""

import json
from collections import Counter
from pathlib import Path

import pytest

from datasets.images import read_image
from datasets.prepare.__main__ import main as prepare
from datasets.split import PARTS, Split, read_split
from toolbox.errors import UserError

CASES = Path(__file__).parents[1] / "cases"


@pytest.fixture
def run(tmp_path, capsys):
    """Prepares a case as the data set `x`; returns its split and what was printed. Nothing may be left by a refusal."""

    def prepared(kind: str, raw: str, *more: str) -> tuple[Split, str]:
        arguments = [kind, "--raw", str(CASES / raw), "--root", str(tmp_path / "data"), "--folder", "x", *more]
        try:
            assert prepare(arguments) == 0
        except UserError as error:
            assert not (tmp_path / "data").exists() and "\n" not in str(error)
            raise
        split = read_split(tmp_path / "data/x/x.json")
        assert all((tmp_path / "data/x" / item.path).is_file() for part in PARTS for item in split.part(part))
        return split, capsys.readouterr().out

    return prepared


def _classes(split: Split) -> dict[str, int]:
    return dict(Counter(item.classname for part in PARTS for item in split.part(part)))


def _patients(split: Split) -> list[set[str]]:
    return [{split.groups[item.path] for item in split.part(part)} for part in PARTS]


def test_01_both_readings_of_nested_folders_are_shown_and_one_is_taken_when_named(run):
    raw = "01-nested-class-folders/raw/lung_colon_image_set"
    with pytest.raises(UserError) as error:
        run("folders", raw)
    assert "--class-level 1 gives 2 classes (colon_image_sets, lung_image_sets)" in str(error.value)
    assert "--class-level 2 gives 5 classes (colon_aca, colon_n, lung_aca, lung_n, lung_scc)" in str(error.value)
    split, _ = run("folders", raw, "--class-level", "-1")
    assert _classes(split) == dict.fromkeys(["colon aca", "colon n", "lung aca", "lung n", "lung scc"], 5)


def test_02_folders_of_masks_are_left_out_and_counted(run):
    split, printed = run("folders", "02-masks-beside-images/raw")
    assert _classes(split) == dict.fromkeys(["COVID", "Lung Opacity", "Normal", "Viral Pneumonia"], 5)
    assert "left out: 20 masks" in printed


def test_03_linked_class_folder_is_read(run):
    split, _ = run("folders", "03-linked-class-folder/raw")
    assert _classes(split) == {"benign": 6, "malignant": 6, "normal": 6}


def test_04_pgm_is_found_and_read(run, tmp_path):
    split, _ = run("folders", "04-pgm-mammograms/raw")
    assert _classes(split) == {"benign": 5, "malignant": 5}
    assert read_image(tmp_path / "data/x" / split.test[0].path).mode == "RGB"


def test_06_mask_files_beside_images_are_left_out_and_counted(run):
    split, printed = run("folders", "06-mask-files-in-class-folder/raw")
    assert _classes(split) == {"benign": 4, "malignant": 4, "normal": 4} and "left out: 12 masks" in printed


def test_07_patient_id_with_a_blank_is_the_patient(run):
    columns = ("--file-column", "Image Index", "--label-column", "Finding Labels")
    split, printed = run("csv", "07-nih-patient-column/raw", *columns)
    train, val, test = _patients(split)
    assert len(train | val | test) == 10 == len(train) + len(val) + len(test)
    assert "patients: column 'Patient ID', 10 of 30 images" in printed
    assert {item.classname for item in split.test} == set(split.classnames), (
        "classes of two patients are tested, not val"
    )


def test_08_one_hot_columns(run):
    with pytest.raises(UserError, match="--one-hot"):
        run("csv", "08-isic2019-one-hot/raw")
    split, printed = run("csv", "08-isic2019-one-hot/raw", "--one-hot")
    assert _classes(split) == {"AK": 6, "BCC": 6, "MEL": 6, "NV": 6}
    assert "no classes: BKL, DF, VASC, SCC, UNK" in printed


def test_09_two_patients_a_class_are_train_and_test(run):
    split, printed = run("csv", "09-pad-ufes/raw")
    assert [len(split.part(part)) for part in PARTS] == [12, 0, 12]
    assert [len(found) for found in _patients(split)] == [4, 0, 4]
    assert "patients: column 'patient_id', 8 of 24 images (not 'lesion_id')" in printed


@pytest.mark.parametrize("raw", ["12-mura-no-header/raw", "12-mura-no-header/raw/MURA-v1.1"])
def test_12_table_without_header_and_with_a_folder_a_row(run, raw):
    with pytest.raises(UserError, match="--columns"):
        run("csv", raw)
    split, _ = run("csv", raw, "--columns", "path", "label", "--group-pattern", "(patient[0-9]+)")
    assert _classes(split) == {"0": 6, "1": 6}


def test_20_rows_without_image_are_counted_and_skipped_when_allowed(run):
    with pytest.raises(UserError, match=r"2 of 20 rows name no image .* first: 'n18\.png'; --skip-missing 2"):
        run("csv", "20-rows-without-image/raw", "--skip-missing", "1")
    split, printed = run("csv", "20-rows-without-image/raw", "--skip-missing", "2")
    assert _classes(split) == {"a": 9, "b": 9} and "2 of 20 rows name no file and were skipped" in printed


def test_21_list_in_a_text_file(run):
    with pytest.raises(UserError, match=r"train\.txt.*--table"):
        run("csv", "21-covidx-txt/raw")
    with pytest.raises(UserError, match="--columns"):
        run("csv", "21-covidx-txt/raw", "--table", "train.txt")
    columns = ("--columns", "patient", "file", "label", "source")
    split, _ = run("csv", "21-covidx-txt/raw", "--table", "train.txt", *columns)
    assert _classes(split) == {"positive": 6, "negative": 6}
    assert sum(map(len, _patients(split))) == 6


def test_26_dicom_without_suffix_is_found(run):
    split, printed = run("folders", "26-dicom-without-suffix/raw")
    assert _classes(split) == {"benign": 4, "malignant": 4}
    assert "8 images are copies of one another (4 sets); copies stay in one part" in printed


def test_33_split_with_byte_order_mark(cfg_for):
    from dassl.data.datasets import build_dataset

    cfg = cfg_for("split", FOLDER="bomsplit")
    cfg.DATASET.ROOT = str(CASES / "33-split-with-bom")
    data = build_dataset(cfg)
    assert (len(data.train_x), len(data.val), len(data.test), data.num_classes) == (16, 8, 12, 4)
    with pytest.raises(ValueError, match="BOM"):
        json.loads((CASES / "33-split-with-bom/bomsplit/bomsplit.json").read_text(encoding="utf-8"))
