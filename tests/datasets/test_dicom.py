"""DICOM images become RGB through the window in the file; skipped where pydicom is not installed."""

import sys

import numpy as np
import pytest

from datasets import images
from datasets.images import read_image
from datasets.reading import Reading
from datasets.stretch import stretch
from toolbox.errors import UserError

pytest.importorskip("pydicom")
from tests.datasets.dicom_files import item, write_dicom

RAMP = np.array([[0, 1000, 1024, 1048, 3000]], np.uint16)


def shades(path, **reading) -> list[int]:
    """The first row of a grey image."""
    found = np.asarray(read_image(path, reading=Reading(**reading)))
    assert (found[..., 0] == found[..., 2]).all()
    return found[0, :, 0].astype(int).tolist()


def windowed(center: float, width: float, slope: float = 1, intercept: float = 0) -> list[int]:
    """PS3.3 C.11.2.1.2.1 for `RAMP`, in plain arithmetic."""
    values = (RAMP[0].astype(float) * slope + intercept).tolist()
    shares = [(value - (center - 0.5)) / (width - 1) + 0.5 for value in values]
    return [round(min(max(share, 0), 1) * 255) for share in shares]


def test_dicom_window_is_applied(tmp_path):
    tags = {"RescaleSlope": 1, "RescaleIntercept": -1024}
    path = write_dicom(tmp_path / "x.dcm", RAMP, WindowCenter=0, WindowWidth=101, **tags)
    expected = windowed(0, 101, 1, -1024)
    assert shades(path) == expected == [0, round((-24 + 0.5 + 50) * 2.55), round(50.5 * 2.55), 190, 255]
    several = write_dicom(tmp_path / "y.dcm", RAMP, WindowCenter=[0, 9], WindowWidth=[101, 7], **tags)
    assert shades(several) == expected
    sigmoid = write_dicom(tmp_path / "z.dcm", RAMP, WindowCenter=1024, WindowWidth=96, VOILUTFunction="SIGMOID")
    assert shades(sigmoid) == [0, round(255 / (1 + np.e)), 128, round(255 / (1 + 1 / np.e)), 255]


def test_a_window_that_is_asked_for(tmp_path):
    tags = {"RescaleSlope": 2, "RescaleIntercept": -1024, "WindowCenter": 0, "WindowWidth": 101}
    path = write_dicom(tmp_path / "x.dcm", RAMP, **tags)
    assert shades(path, window="40 400") == windowed(40, 400, 2, -1024)
    assert shades(path, window="bone") == windowed(400, 1800, 2, -1024)
    inverted = write_dicom(tmp_path / "y.dcm", RAMP, "MONOCHROME1", VOILUTFunction="SIGMOID", **tags)
    assert shades(inverted, window="bone") == [255 - shade for shade in windowed(400, 1800, 2, -1024)]
    colour = np.random.default_rng(0).integers(0, 255, (2, 3, 3), dtype=np.uint8)
    rgb = read_image(write_dicom(tmp_path / "c.dcm", colour, "RGB"), reading=Reading(window="bone"))
    assert np.array_equal(np.asarray(rgb), colour)


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": None, "WindowWidth": None},
        {"WindowCenter": 40},
        {"WindowWidth": 400},
        {"WindowCenter": 40, "WindowWidth": None},
        {"WindowCenter": 40, "WindowWidth": 0},
        {"WindowCenter": [40, 50], "WindowWidth": ""},
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"RescaleSlope": 7},
        {"RescaleSlope": 0, "RescaleIntercept": 5},
        {"VOILUTSequence": []},
        {"PixelPaddingValue": None},
    ],
)
def test_empty_and_half_given_tags_count_as_absent(tmp_path, tags):
    pixels = np.random.default_rng(1).integers(0, 3000, (9, 11)).astype(np.uint16)
    found = np.asarray(read_image(write_dicom(tmp_path / "x.dcm", pixels, **tags)))
    assert np.array_equal(found[..., 0], stretch(pixels))
    if "RescaleSlope" in tags:
        path = write_dicom(tmp_path / "y.dcm", RAMP, WindowCenter=1000, WindowWidth=101, **tags)
        assert shades(path) == windowed(1000, 101)


def test_window_and_slope_in_functional_groups(tmp_path):
    def group(center, slope):
        return item(
            FrameVOILUTSequence=[item(WindowCenter=center, WindowWidth=101)],
            PixelValueTransformationSequence=[item(RescaleSlope=slope, RescaleIntercept=-1024, RescaleType="HU")],
        )

    shared = write_dicom(tmp_path / "x.dcm", RAMP, SharedFunctionalGroupsSequence=[group(0, 1)])
    assert shades(shared) == windowed(0, 101, 1, -1024)
    frames = write_dicom(
        tmp_path / "y.dcm",
        np.stack([RAMP, RAMP + 7])[..., None],
        SharedFunctionalGroupsSequence=[group(0, 1)],
        PerFrameFunctionalGroupsSequence=[group(500, 1.5), group(9, 9)],
        NumberOfFrames=2,
        Rows=1,
        Columns=5,
        SamplesPerPixel=1,
    )
    assert shades(frames) == windowed(500, 101, 1.5, -1024)


def test_padding_is_left_out_of_the_range(tmp_path):
    tissue = np.random.default_rng(2).integers(900, 1100, (20, 20)).astype(np.int16)
    expected = stretch(tissue)[10:]
    padded = tissue.copy()
    padded[:10] = -2000
    for number, tags in enumerate([{}, {"PixelPaddingRangeLimit": -1900}]):
        path = write_dicom(tmp_path / f"{number}.dcm", padded, PixelPaddingValue=-2000, **tags)
        found = np.asarray(read_image(path))[..., 0]
        assert np.array_equal(found[10:], stretch(tissue[10:])) and not found[:10].any()
        padded[:5] = -1950
    assert np.abs(found[10:].astype(int) - expected).max() < 20
    everything = write_dicom(tmp_path / "all.dcm", np.full((4, 4), -2000, np.int16), PixelPaddingValue=-2000)
    assert not np.asarray(read_image(everything)).any()


def test_inverse_presentation(tmp_path):
    tags = {"WindowCenter": 1000, "WindowWidth": 101}
    straight = windowed(1000, 101)
    for number, (photometric, shape, inverse) in enumerate(
        [
            ("MONOCHROME2", "INVERSE", True),
            ("MONOCHROME1", "INVERSE", True),
            ("MONOCHROME1", None, True),
            ("MONOCHROME2", "IDENTITY", False),
        ]
    ):
        path = write_dicom(tmp_path / f"{number}.dcm", RAMP, photometric, PresentationLUTShape=shape, **tags)
        assert shades(path) == ([255 - shade for shade in straight] if inverse else straight)


@pytest.mark.parametrize("deep", [True, False])
def test_palettes(tmp_path, deep):
    numbers = np.array([[0, 1, 2, 9]], np.uint8)
    colours = np.array([[255, 0, 0], [0, 128, 0], [1, 2, 254]], np.uint8)
    words = colours.astype("<u2") * (257 if deep else 1)  # some writers put 8-bit colours into 16-bit entries
    tags = {f"{name}PaletteColorLookupTableDescriptor": [3, 0, 16] for name in ("Red", "Green", "Blue")}
    for column, name in enumerate(("Red", "Green", "Blue")):
        tags[f"{name}PaletteColorLookupTableData"] = words[:, column].tobytes()
    path = write_dicom(tmp_path / "x.dcm", numbers, "PALETTE COLOR", **tags)
    assert np.array_equal(np.asarray(read_image(path))[0], colours[[0, 1, 2, 2]])


def test_tables(tmp_path):
    entries = np.array([0, 90, 400, 1000], "<u2").tobytes()
    voi = [item(LUTDescriptor=[4, 1000, 12], LUTData=entries)]
    path = write_dicom(tmp_path / "x.dcm", np.array([[0, 1000, 1001, 1002, 9000]], np.uint16), VOILUTSequence=voi)
    assert shades(path) == [0, 0, 23, 102, 255]
    assert shades(path, window="1000 101") == [0, 129, 131, 134, 255]
    modality = [item(LUTDescriptor=[4, 0, 12], LUTData=entries, ModalityLUTType="US")]
    tags = {"ModalityLUTSequence": modality, "WindowCenter": 500.5, "WindowWidth": 1001}
    assert shades(write_dicom(tmp_path / "y.dcm", np.array([[0, 1, 2, 9]], np.uint16), **tags)) == [0, 23, 102, 255]


def test_dicom_without_window_monochrome1_and_colour(tmp_path):
    pixels = np.array([[10, 20, 30]], np.int16)
    assert np.asarray(read_image(write_dicom(tmp_path / "a.dcm", pixels)))[0, :, 1].tolist() == [0, 128, 255]
    inverted = read_image(write_dicom(tmp_path / "b", pixels, "MONOCHROME1"))
    assert np.asarray(inverted)[0, :, 1].tolist() == [255, 128, 0]
    colour = np.random.default_rng(0).integers(0, 255, (2, 3, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(read_image(write_dicom(tmp_path / "c.dcm", colour, "RGB"))), colour)
    deep = np.random.default_rng(0).integers(0, 4096, (8, 9, 3)).astype(np.uint16)
    assert np.array_equal(np.asarray(read_image(write_dicom(tmp_path / "d.dcm", deep, "RGB"))), stretch(deep))
    byte = colour[..., 0]
    assert np.array_equal(np.asarray(read_image(write_dicom(tmp_path / "e.dcm", byte)))[..., 0], byte)


def test_broken_and_huge_dicom(tmp_path, monkeypatch):
    path = write_dicom(tmp_path / "x.dcm", np.zeros((8, 8), np.uint16))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"x\.dcm cannot be read as DICOM"):
        read_image(path)
    (tmp_path / "y.dcm").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"y\.dcm cannot be read as DICOM"):
        read_image(tmp_path / "y.dcm")
    monkeypatch.setattr(images, "MAX_PIXELS", 63)
    with pytest.raises(UserError, match="more than 63"):
        read_image(write_dicom(tmp_path / "z.dcm", np.zeros((8, 8), np.uint16)))


def test_without_pixels(tmp_path):
    path = write_dicom(tmp_path / "x.dcm", RAMP, Modality="SR", Rows=None)
    with pytest.raises(UserError, match=r"x\.dcm is DICOM without pixels \(SR\)"):
        read_image(path)


def test_without_pydicom_the_remedy_is_named(tmp_path, monkeypatch):
    path = write_dicom(tmp_path / "x.dcm", np.zeros((8, 8), np.uint16))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(UserError, match="`pip install pydicom` to read it"):
        read_image(path)
