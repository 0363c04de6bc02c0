"""The phantoms: the same images on every machine, whole on disk or absent."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from datasets.phantom import PHANTOMS, Phantom, ensure_phantom
from datasets.phantom.cells import draw_cell
from datasets.phantom.textbook import KINDS, PLAIN
from toolbox.errors import UserError

SMALL = {"train": 2, "val": 1, "test": 1}
SIXTEEN = PHANTOMS["phantom16"]


def tree_hash(folder):
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


def test_sixteen_classes_with_red_and_white_cells_on_both_sides():
    names = SIXTEEN.classnames
    assert len(names) == len(set(names)) == 16
    assert set(PLAIN) == set(names)
    for half in (names[:8], names[8:]):
        nucleated = sum("nucleus" in KINDS[name] for name in half)
        assert 2 <= nucleated <= 4


def test_an_image_depends_on_seed_class_and_index_alone():
    first = SIXTEEN.image(3, 5)
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    SIXTEEN.image(4, 0)
    assert np.array_equal(first, SIXTEEN.image(3, 5))
    reseeded = Phantom("other", SIXTEEN.classnames, SIXTEEN.kinds, SIXTEEN.plain, 1, SMALL)
    for other in (SIXTEEN.image(2, 5), SIXTEEN.image(3, 6), reseeded.image(3, 5)):
        assert not np.array_equal(first, other)


def test_every_image_shows_something_and_no_two_are_alike():
    seen = set()
    for phantom, each in ((SIXTEEN, 4), (PHANTOMS["phantom"], 1)):
        for label, name in enumerate(phantom.classnames):
            for index in range(each):
                image = phantom.image(label, index)
                assert image.std() > 8, (name, index)
                seen.add(image.tobytes())
    assert len(seen) == 128


def test_cells_stay_within_the_ranges_of_their_kind():
    rng = np.random.default_rng(0)
    cells = [draw_cell(KINDS["burr cell"], rng) for _ in range(200)]
    low, high = KINDS["burr cell"]["spikes"]
    assert {c.spikes for c in cells} == set(range(low, high + 1))
    assert {c.centre for c in cells} == {"pale", "even"}


def test_folder_and_split(tmp_path):
    folder = ensure_phantom(tmp_path, "phantom16", SMALL)
    split = json.loads((folder / "phantom16.json").read_text())
    sums, _ = split.pop("sums"), split.pop("sha256")
    assert [len(split[part]) for part in SMALL] == [32, 16, 16]
    rows = [row for part in SMALL for row in split[part]]
    assert len({path for path, _, _ in rows}) == 64
    assert set(sums) == {path for path, _, _ in rows}
    for path, label, name in rows:
        assert SIXTEEN.classnames[label] == name
        with Image.open(folder / "images" / path) as image:
            assert image.size == (64, 64) and image.mode == "RGB"


def test_drawn_once_and_equal_everywhere(tmp_path):
    one, two = (ensure_phantom(tmp_path / root, "phantom16", SMALL) for root in "ab")
    assert tree_hash(one) == tree_hash(two)
    before = (one / "phantom16.json").stat().st_mtime_ns
    ensure_phantom(tmp_path / "a", "phantom16", SMALL)
    assert (one / "phantom16.json").stat().st_mtime_ns == before


def test_several_may_start_at_once(tmp_path):
    parts = {"train": 1, "test": 1}
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: ensure_phantom(tmp_path, "phantom16", parts), range(4)))
    assert set(folders) == {tmp_path / "phantom16"}
    assert [p.name for p in tmp_path.iterdir()] == ["phantom16"]
    assert len(list((tmp_path / "phantom16/images").rglob("*.png"))) == 32


def test_a_broken_run_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("datasets.phantom.generate.picture", fail)
    with pytest.raises(KeyboardInterrupt):
        ensure_phantom(tmp_path, parts=SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "phantom").mkdir()
    (tmp_path / "phantom/mine.txt").write_text("keep")
    with pytest.raises(UserError, match=r"phantom\.json"):
        ensure_phantom(tmp_path, parts=SMALL)
    assert (tmp_path / "phantom/mine.txt").read_text() == "keep"


def test_a_root_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        ensure_phantom(tmp_path / "file", parts=SMALL)


def test_a_phantom_of_other_kinds_is_not_taken_for_this_one(tmp_path):
    folder = ensure_phantom(tmp_path, "phantom16", SMALL)
    folder.rename(tmp_path / "phantom")
    (tmp_path / "phantom/phantom16.json").rename(tmp_path / "phantom/phantom.json")
    with pytest.raises(UserError, match="holds another phantom, of an older version"):
        ensure_phantom(tmp_path)
