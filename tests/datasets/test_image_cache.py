"""Decoded images on disk: the same pixels, made once, damage is noticed."""

import pickle

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import InterpolationMode, Resize

from datasets import cache
from datasets.cache import build_cache, shrink
from datasets.images import read_image
from tests.datasets.pictures import picture
from toolbox.errors import UserError


@pytest.fixture
def paths(tmp_path):
    return [str(picture(tmp_path / f"{i}.png", side)) for i, side in enumerate((8, 16, 40, 40))]


def test_cached_images_are_the_resized_ones(tmp_path, paths):
    kept = build_cache(tmp_path / "cache", paths, 16)
    for path in paths:
        expected = read_image(path)
        if min(expected.size) > 16:
            expected = Resize(16, InterpolationMode.BICUBIC)(expected)
        assert np.array_equal(np.asarray(kept.read(path)), np.asarray(expected))


@pytest.mark.parametrize("size", [(37, 53), (53, 37), (100, 31), (40, 40)])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_shrink_is_torchvisions_resize(size, mode):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
    expected = Resize(20, InterpolationMode(mode))(image)
    assert np.array_equal(np.asarray(shrink(image, 20, mode)), np.asarray(expected))


def test_images_are_decoded_once(tmp_path, paths, monkeypatch):
    build_cache(tmp_path / "cache", paths, 16)
    monkeypatch.setattr(cache, "read_image", lambda path: pytest.fail("decoded again"))
    kept = build_cache(tmp_path / "cache", paths[::-1], 16)
    assert kept.read(paths[0]).size == (8, 8)
    assert pickle.loads(pickle.dumps(kept)).read(paths[2]).size == (16, 16)


def test_other_images_or_sizes_are_other_caches(tmp_path, paths):
    first = build_cache(tmp_path / "cache", paths, 16)
    assert build_cache(tmp_path / "cache", paths, 12).path != first.path
    picture(tmp_path / "0.png", 9)
    changed = build_cache(tmp_path / "cache", paths, 16)
    assert changed.path != first.path and changed.read(paths[0]).size == (9, 9)


def test_damage_is_noticed_and_named(tmp_path, paths):
    kept = build_cache(tmp_path / "cache", paths, 16)
    content = bytearray(kept.path.read_bytes())
    content[5] ^= 1
    kept.path.write_bytes(content)
    with pytest.raises(UserError, match=rf"{kept.path.name} is damaged; delete it"):
        build_cache(tmp_path / "cache", paths, 16).read(paths[0])
    kept.path.write_bytes(content[:-1])
    with pytest.raises(UserError, match="delete both"):
        build_cache(tmp_path / "cache", paths, 16)


def test_broken_image_leaves_no_cache(tmp_path, paths):
    (tmp_path / "3.png").write_bytes(b"junk")
    with pytest.raises(UserError, match=r"3\.png cannot be read"):
        build_cache(tmp_path / "cache", paths, 16)
    assert list((tmp_path / "cache").iterdir()) == []


def test_full_disk_is_said_before_decoding(tmp_path, paths):
    with pytest.raises(UserError, match=r"the image cache needs about .* set DATALOADER.CACHE_DIR"):
        build_cache(tmp_path / "cache", paths, 10**8)
