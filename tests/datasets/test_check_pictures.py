"""Faults of a data set that its labels and parts do not show: one class, masks, blank images, patients without use."""

import json

import numpy as np
import pytest
from PIL import Image

from datasets.check.__main__ import main
from datasets.check.scan import what_is_blank
from tests.datasets.pictures import cells, picture, save
from toolbox.errors import UserError


@pytest.fixture
def faults(tmp_path, capsys):
    """Runs the check on `cells`; returns its faults and warnings by kind."""

    def run(*more: str) -> tuple[dict, dict]:
        code = main(["cells", "--root", str(tmp_path), *more])
        report = json.loads((tmp_path / "cells/check/report.json").read_text())
        assert code == (1 if report["faults"] else 0)
        return tuple({one["kind"]: one for one in report[kind]} for kind in ("faults", "warnings"))

    return run


def test_one_class(tmp_path, faults):
    cells(tmp_path, classes=("cell",))
    found, _ = faults()
    assert [*found] == ["one class"] and "'cell'" in found["one class"]["message"]


def test_classes_of_one_plain_name(tmp_path, faults):
    cells(tmp_path, classes=("Normal", "normal", "sick"))
    found, _ = faults()
    assert [*found] == ["split"] and "'Normal' and 'normal' are one name" in found["split"]["message"]


def test_classes_that_are_numbers_or_nan_are_a_warning(tmp_path, faults):
    cells(tmp_path, classes=("0", "1.5", "nan", "grade 2"))
    found, warned = faults()
    assert not found and "'0', '1.5', 'nan'" in warned["class names"]["message"]


def test_masks_by_name_and_by_content(tmp_path, faults):
    content = cells(tmp_path)
    two = np.zeros((16, 16), np.uint8)
    two[4:9, 4:9] = 1
    Image.fromarray(two).save(tmp_path / "cells" / content["train"][0][0])
    for row in content["test"][:1]:
        (tmp_path / "cells" / row[0]).rename(tmp_path / "cells/images/x_mask.png")
        row[0] = "images/x_mask.png"
    two[4:9, 4:9] = 255
    Image.fromarray(two).save(tmp_path / "cells" / content["train"][1][0])
    save(tmp_path, content)
    found, _ = faults()
    assert sorted(found["mask"]["files"]) == ["images/train_0_1.png", "images/x_mask.png"]
    assert found["blank image"]["files"] == ["images/train_0_0.png"]


@pytest.mark.parametrize(
    ("pixels", "what"),
    [
        (np.zeros((9, 9)), "flat"),
        (np.full((9, 9), 255), "flat"),
        (np.tile([200, 202], (4, 4)), "flat"),
        (np.array([[7]]), "a single pixel or line"),
        (np.arange(30)[None] * 8, "a single pixel or line"),
        (np.pad([[250]], ((0, 19), (0, 19))), "black"),
        (np.pad(np.full((3, 3), 250), ((0, 9), (0, 9))), ""),
        (np.tile([200, 204], (4, 4)), ""),
    ],
)
def test_what_is_blank(pixels, what):
    assert what_is_blank(Image.fromarray(pixels.astype(np.uint8)).convert("RGB")) == what


def test_empty_file(tmp_path, faults):
    content = cells(tmp_path)
    (tmp_path / "cells" / content["val"][0][0]).write_bytes(b"")
    found, _ = faults()
    assert "val_0_0.png is empty" in found["unreadable image"]["message"]


def test_patients_that_keep_nothing_together(tmp_path, faults):
    content = cells(tmp_path)
    paths = [row[0] for part in ("train", "val", "test") for row in content[part]]
    save(tmp_path, {**content, "groups": {path: path for path in paths}})
    found, _ = faults()
    assert "all 48 images have a patient of their own" in found["patients"]["message"]
    save(tmp_path, {**content, "groups": {path: path for path in paths}, "meta": {"division": "official"}})
    found, warned = faults()
    assert not found and "patients" in warned


def test_pattern_that_does_not_find_all(tmp_path):
    cells(tmp_path)
    picture(tmp_path / "cells/images/odd.png")
    with pytest.raises(UserError, match="finds no patient in 24 of 48 images"):
        main(["cells", "--root", str(tmp_path), "--group-pattern", "(train_[0-9])"])
