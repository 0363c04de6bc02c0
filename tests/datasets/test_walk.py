"""The walk over folders: links, cycles, clutter, masks, files without suffix, and what is told of the rest."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.walk import images_in, is_image, is_mask, walk
from tests.datasets.pictures import picture
from toolbox.errors import UserError


def _names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_linked_folders_are_entered_and_cycles_are_not(tmp_path):
    picture(tmp_path / "elsewhere/a.png")
    picture(tmp_path / "raw/class/b.png")
    (tmp_path / "raw/linked").symlink_to("../elsewhere")
    (tmp_path / "raw/class/up").symlink_to("..")
    (tmp_path / "raw/out").symlink_to(tmp_path)
    (tmp_path / "elsewhere/itself").symlink_to(".")
    (tmp_path / "raw/c.png").symlink_to("class/b.png")
    (tmp_path / "raw/gone.png").symlink_to("nowhere.png")
    (tmp_path / "raw/loop").symlink_to("loop")
    found = walk(tmp_path / "raw")
    assert [path.relative_to(tmp_path).as_posix() for path in found.images] == [
        "raw/c.png",
        "raw/class/b.png",
        "raw/linked/a.png",
    ]
    assert found.left_out() == "2 broken links"


def test_clutter_and_other_files_are_counted_by_suffix(tmp_path):
    for name in ("a.png", "@eaDir/a.png/SYNOPHOTO.jpg", "__MACOSX/._a.png", "Thumbs.db", ".DS_Store", "x/desktop.ini"):
        picture(tmp_path / name, format="PNG")
    for name in ("b.nii.gz", "c.NII.GZ", "read.txt", "table.csv", "noend"):
        (tmp_path / name).write_text("text")
    found = walk(tmp_path)
    assert _names(found.images) == ["a.png"]
    assert found.left_out([tmp_path / "table.csv"]) == "2 .nii.gz, 1 without suffix, 1 .txt, 5 hidden or system files"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.jp2", "JPEG2000"),
        ("a.jfif", "JPEG"),
        ("a.PGM", "PPM"),
        ("a.svs", "TIFF"),
        ("slide", "TIFF"),
        ("a", "PNG"),
        ("1.2.840.113", "BMP"),
        ("a.webp", "WEBP"),
    ],
)
def test_images_are_known_by_content(tmp_path, name, form):
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / name, format=form)
    assert is_image(tmp_path / name)


def test_dicom_is_an_image_unless_it_says_that_it_is_none(tmp_path):
    def write(name: str, sop_class: bytes) -> Path:
        length = len(sop_class).to_bytes(2, "little")
        (tmp_path / name).write_bytes(bytes(128) + b"DICM" + b"\x02\x00\x02\x00UI" + length + sop_class)
        return tmp_path / name

    assert is_image(write("IM-0001", b"1.2.840.10008.5.1.4.1.1.2\0"))
    for kind in (b"66.4", b"88.11", b"481.3", b"11.1\0"):
        assert not is_image(write("SR0001.dcm", b"1.2.840.10008.5.1.4.1.1." + kind)), kind
    write("DICOMDIR", b"1.2.840.10008.1.3.10")
    assert _names(walk(tmp_path).images) == ["IM-0001"]


def test_damaged_files_with_an_image_suffix_are_still_meant(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.csv").write_bytes(picture(tmp_path / "c.png").read_bytes())
    assert _names(walk(tmp_path).images) == ["a.png", "c.png"]


@pytest.mark.parametrize(
    ("path", "mask"),
    [
        ("masks/a.png", True),
        ("Covid/MASK/a.png", True),
        ("infection masks/a.png", True),
        ("Ground_Truth/a.png", True),
        ("a (1)_mask_1.png", True),
        ("a_Segmentation.png", True),
        ("a-seg.png", True),
        ("mask_3.png", True),
        ("with_mask/a.png", False),
        ("unmasked.png", False),
        ("segovia/a.png", False),
        ("damask/a.png", False),
        ("essence.png", False),
    ],
)
def test_masks_by_name(path, mask):
    assert is_mask(Path(path)) == mask


def test_masks_are_kept_when_asked(tmp_path):
    picture(tmp_path / "a_mask.png")
    assert (len(walk(tmp_path).masks), len(walk(tmp_path, keep_masks=True).images)) == (1, 1)


def test_images_of_files_and_folders(tmp_path):
    for name in ("f/a.png", "f/g/b.png", "f/masks/b.png", "c_mask.png"):
        picture(tmp_path / name)
    images, left_out = images_in([tmp_path / "c_mask.png", tmp_path / "f", tmp_path / "f/a.png"])
    assert _names(images) == ["c_mask.png", "a.png", "b.png"] and left_out == "1 masks"
    with pytest.raises(UserError, match="no image or folder at"):
        images_in([tmp_path / "none"])
    picture(tmp_path / "only/a_mask.png")
    with pytest.raises(UserError, match=r"no images in .*; left out: 1 masks"):
        images_in([tmp_path / "only"])
