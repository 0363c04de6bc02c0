"""EXIF orientation: images stand upright unless INPUT.EXIF is False, in the loader, the cache and the caches' names."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from datasets.images import read_image
from datasets.loader import ImageDataset
from datasets.readers import SplitDataset
from datasets.reading import Reading
from tests.datasets.pictures import picture, save

AS_STORED = Reading(exif=False)


def oriented(path, orientation: int, **options):
    """An image with corners of its own, stored as a camera held that way stores it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.asarray(Image.open(picture(path.with_name("plain.png"), 32)).resize((48, 32)))
    Image.fromarray(pixels).save(path, exif=exif, **options)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_images_stand_upright(tmp_path, orientation, suffix):
    path = oriented(tmp_path / f"x.{suffix}", orientation)
    with Image.open(path) as image:
        stored, upright = np.asarray(image.convert("RGB")), np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert np.array_equal(np.asarray(read_image(path)), upright)
    assert np.array_equal(np.asarray(read_image(path, reading=AS_STORED)), stored)
    assert (upright.shape == stored.shape) == (orientation < 5)


def test_16_bit_images_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = np.arange(24, dtype=np.uint16).reshape(4, 6) * 1000
    Image.fromarray(deep).save(tmp_path / "x.png", exif=exif)
    upright, stored = read_image(tmp_path / "x.png"), read_image(tmp_path / "x.png", reading=AS_STORED)
    assert np.array_equal(np.asarray(upright), np.rot90(np.asarray(stored), -1))


@pytest.mark.parametrize("damage", [b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0", b"Exif\0\0junk" + bytes(20)])
def test_broken_exif_data_say_nothing(tmp_path, damage):
    plain = picture(tmp_path / "x.jpg", 16)
    picture(tmp_path / "y.jpg", 16, exif=damage)
    with Image.open(tmp_path / "y.jpg") as image:
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(np.asarray(read_image(tmp_path / "y.jpg")), expected)
    assert read_image(plain).size == read_image(tmp_path / "y.jpg").size


@pytest.mark.parametrize("cache", [False, True])
def test_training_images_and_cached_ones(cfg_for, tmp_path, cache):
    folder = tmp_path / "cells" / "images"
    folder.mkdir(parents=True)
    names = []
    for label in range(2):
        for index in range(4):
            names.append((oriented(folder / f"{label}_{index}.jpg", 6).name, label, f"class {label}"))
    save(tmp_path, {"train": names[::2], "val": [], "test": names[1::2]})
    shapes = {}
    for exif in (True, False):
        cfg = cfg_for("split", FOLDER="cells", IMAGES="images", SPLIT="cells.json")
        cfg.DATALOADER.CACHE, cfg.INPUT.EXIF = cache, exif
        data = ImageDataset(cfg, SplitDataset(cfg).test)
        shapes[exif] = {data.read(item.impath).size for item in data.data_source}
    assert shapes == ({True: {(16, 24)}, False: {(24, 16)}} if cache else {True: {(32, 48)}, False: {(48, 32)}})
    assert len(list((tmp_path / "image_cache").glob("*.u8"))) == (2 if cache else 0)
