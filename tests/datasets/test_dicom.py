"""DICOM images become RGB through the window in the file; skipped where pydicom is not installed."""

import sys

import numpy as np
import pytest

from datasets import images
from datasets.images import read_image
from toolbox.errors import UserError

pytest.importorskip("pydicom")


def write_dicom(path, pixels: np.ndarray, photometric: str = "MONOCHROME2", **tags):
    """A DICOM file with these pixels and tags."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.Rows, data.Columns = pixels.shape[:2]
    data.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    if pixels.ndim == 3:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = photometric
    data.BitsAllocated = data.BitsStored = pixels.dtype.itemsize * 8
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    for name, value in tags.items():
        setattr(data, name, value)
    data.PixelData = pixels.tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def test_dicom_window_is_applied(tmp_path):
    pixels = np.array([[0, 1000, 1024, 1048, 3000]], np.uint16)
    path = write_dicom(
        tmp_path / "x.dcm", pixels, WindowCenter=0, WindowWidth=101, RescaleSlope=1, RescaleIntercept=-1024
    )
    found = np.asarray(read_image(path))[0, :, 0].astype(int)
    # PS3.3 C.11.2.1.2: ((value - (c - 0.5)) / (w - 1) + 0.5) * 255
    assert found.tolist() == [0, round((-24 + 0.5 + 50) * 2.55), round(50.5 * 2.55), round((24 + 0.5 + 50) * 2.55), 255]


def test_dicom_without_window_monochrome1_and_colour(tmp_path):
    pixels = np.array([[10, 20, 30]], np.int16)
    assert np.asarray(read_image(write_dicom(tmp_path / "a.dcm", pixels)))[0, :, 1].tolist() == [0, 128, 255]
    inverted = read_image(write_dicom(tmp_path / "b", pixels, "MONOCHROME1"))
    assert np.asarray(inverted)[0, :, 1].tolist() == [255, 128, 0]
    colour = np.random.default_rng(0).integers(0, 255, (2, 3, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(read_image(write_dicom(tmp_path / "c.dcm", colour, "RGB"))), colour)


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


def test_without_pydicom_the_remedy_is_named(tmp_path, monkeypatch):
    path = write_dicom(tmp_path / "x.dcm", np.zeros((8, 8), np.uint16))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(UserError, match="`pip install pydicom` to read it"):
        read_image(path)
