"""Each planted fault is found and named; the report and the contact sheet are written."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from datasets.check.__main__ import main
from datasets.check.duplicates import NEAR_BITS
from datasets.check.scan import difference_hash
from tests.datasets.pictures import CLASSES, cells, picture, save
from toolbox.errors import UserError


@pytest.fixture
def check(tmp_path, capsys):
    """Runs the check on `cells`; returns (exit code, report, what was printed)."""

    def run(name: str = "cells"):
        code = main([name, "--root", str(tmp_path)])
        report = json.loads((tmp_path / name / "check/report.json").read_text())
        return code, report, capsys.readouterr().out

    return run


def _kinds(report: dict) -> list[str]:
    return [fault["kind"] for fault in report["faults"]]


def test_good_data_set_passes_with_report_and_contact_sheet(tmp_path, check):
    cells(tmp_path)
    code, report, printed = check()
    assert (code, report["ok"], report["faults"], report["warnings"]) == (0, True, [], [])
    assert report["facts"]["images"]["round cell"] == {"train": 6, "val": 3, "test": 3}
    assert "smallest 16 x 16" in report["facts"]["sizes"] and report["facts"]["colour"] == "48 colour"
    assert "cells: no faults" in printed
    sheet = np.asarray(Image.open(tmp_path / "cells/check/contact_sheet.png"))
    rows = np.split(sheet, len(CLASSES))
    assert all(row[30:, :600].std() > 20 for row in rows), "every row shows images"
    assert (rows[0][30:, 700:] == 255).all(), "6 images of 10 places"


def test_missing_file(tmp_path, check):
    content = cells(tmp_path)
    (tmp_path / "cells" / content["val"][0][0]).unlink()
    code, report, printed = check()
    assert (code, _kinds(report)) == (1, ["missing file"])
    assert report["faults"][0]["files"] == ["images/val_0_0.png"] and "images/val_0_0.png" in printed


def test_corrupt_jpeg(tmp_path, check):
    content = cells(tmp_path)
    picture(tmp_path / "cells/images/new.jpg", 64)
    whole = (tmp_path / "cells/images/new.jpg").read_bytes()
    (tmp_path / "cells/images/new.jpg").write_bytes(whole[: len(whole) // 2])
    content["train"].append(["images/new.jpg", 0, "round cell"])
    save(tmp_path, content)
    code, report, _ = check()
    assert (code, _kinds(report)) == (1, ["unreadable image"])
    assert report["faults"][0]["files"] == ["images/new.jpg"]


def test_wrong_label(tmp_path, check):
    content = cells(tmp_path)
    content["train"][0][1] = 3
    save(tmp_path, content)
    code, report, printed = check()
    assert (code, _kinds(report)) == (1, ["split"]) and "label 3 has two class names" in printed


def test_label_that_disagrees_with_the_folder(tmp_path, check):
    content = cells(tmp_path)
    picture(tmp_path / "cells/images/Long_Cell/a.png")
    content["train"].append(["images/Long_Cell/a.png", 0, "round cell"])
    save(tmp_path, content)
    code, report, _ = check()
    assert (code, _kinds(report)) == (1, ["wrong label"])
    assert report["faults"][0]["files"] == ["images/Long_Cell/a.png"]


def test_duplicate_across_parts_and_with_two_labels(tmp_path, check):
    cells(tmp_path)
    base = tmp_path / "cells/images"
    shutil.copy(base / "train_0_0.png", base / "test_0_0.png")
    shutil.copy(base / "train_1_0.png", base / "train_2_0.png")
    code, report, _ = check()
    faults = {fault["kind"]: fault["files"] for fault in report["faults"]}
    assert code == 1
    assert sorted(faults["duplicate across parts"]) == ["images/test_0_0.png", "images/train_0_0.png"]
    assert sorted(faults["duplicate with two labels"]) == ["images/train_1_0.png", "images/train_2_0.png"]
    assert [warning["kind"] for warning in report["warnings"]] == ["duplicate"]


def test_near_duplicate_is_a_warning(tmp_path, check):
    cells(tmp_path)
    base = tmp_path / "cells/images"
    Image.open(picture(base / "train_0_0.png", 48)).resize((60, 60)).save(base / "test_0_0.png")
    code, report, _ = check()
    assert (code, report["warnings"][0]["kind"]) == (0, "near-duplicate across parts")
    assert report["warnings"][0]["files"] == ["images/test_0_0.png = images/train_0_0.png"]


def test_patient_in_two_parts(tmp_path, check):
    content = cells(tmp_path)
    content["groups"] = {"images/train_0_0.png": "anna", "images/test_0_0.png": "anna", "images/train_0_1.png": "bert"}
    save(tmp_path, content)
    code, report, printed = check()
    assert (code, _kinds(report)) == (1, ["patient in two parts"])
    assert "1 patients, first anna in test and train" in printed


def test_patient_in_two_parts_by_file_names(tmp_path, capsys):
    cells(tmp_path)
    assert main(["cells", "--root", str(tmp_path), "--group-pattern", "_([0-9]_[0-9])"]) == 1
    assert "FAULT: patient in two parts: 12 patients, first 0_0 in test and train and val" in capsys.readouterr().out


def test_paths_that_lead_out(tmp_path, check):
    content = cells(tmp_path)
    picture(tmp_path / "outside.png")
    content["train"].append(["../outside.png", 0, "round cell"])
    save(tmp_path, content)
    code, report, _ = check()
    assert (code, _kinds(report)) == (1, ["outside"])


def test_classes_and_sizes_against_the_table(tmp_path, check):
    cells(tmp_path, name="chaoyang", classes=("serrated", "normal", "adenocarcinoma", "adenoma"))
    code, report, _ = check("chaoyang")
    assert code == 0 and [warning["kind"] for warning in report["warnings"]] == ["class order", "sizes"]
    cells(tmp_path, name="busi", classes=("normal", "malignant"))
    code, report, _ = check("busi")
    assert (code, _kinds(report)) == (1, ["classes"])


def test_part_without_a_class_is_a_warning(tmp_path, check):
    content = cells(tmp_path)
    content["test"] = [row for row in content["test"] if row[1] != 2]
    save(tmp_path, content)
    code, report, _ = check()
    assert code == 0 and report["warnings"][0]["message"] == "test has no image of tiny cell"


def test_bad_names_and_read_only_folder(tmp_path, capsys):
    with pytest.raises(UserError, match="unknown data set 'none'"):
        main(["none", "--root", str(tmp_path)])
    (tmp_path / "kvasir").mkdir()
    with pytest.raises(UserError, match=r"kvasir\.json is missing"):
        main(["kvasir", "--root", str(tmp_path)])
    cells(tmp_path)
    (tmp_path / "cells").chmod(0o555)
    assert main(["cells", "--root", str(tmp_path)]) == 0
    assert "read-only; name a folder with --out" in capsys.readouterr().out
    assert main(["cells", "--root", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    (tmp_path / "cells").chmod(0o755)
    assert (tmp_path / "out/contact_sheet.png").is_file() and not (tmp_path / "cells/check").exists()


def test_difference_hash_tells_copies_from_other_images(tmp_path):
    first = Image.open(picture(tmp_path / "a.png", 48))
    second = Image.open(picture(tmp_path / "b.png", 48))
    first.save(tmp_path / "a.jpg", quality=70)

    def bits(a: Image.Image, b: Image.Image) -> int:
        return int(np.bitwise_count(difference_hash(a) ^ difference_hash(b)).sum())

    assert bits(first, Image.open(tmp_path / "a.jpg")) <= NEAR_BITS < 60 < bits(first, second)
    assert difference_hash(Image.new("RGB", (9, 9), "grey")) is None
