"""Few-shot draws: the same everywhere, kept on disk, CoOp's pickles read without running them."""

import json
import os
import pickle
import resource
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dassl.data.datasets import Datum
from datasets.fewshot import draw
from datasets.pickles import read_coop_pickle
from datasets.split import Item, read_split
from tests.datasets.pictures import cells
from toolbox.errors import UserError
from toolbox.files import writable


@pytest.fixture
def split(tmp_path):
    cells(tmp_path, (10, 6, 2))
    return read_split(tmp_path / "cells/cells.json")


def test_draw_has_the_shots_of_every_class_and_four_at_most_for_validation(split, tmp_path):
    drawn = draw(split, 8, 1, tmp_path / "few")
    assert Counter(item.label for item in drawn.train) == dict.fromkeys(range(4), 8)
    assert Counter(item.label for item in drawn.val) == dict.fromkeys(range(4), 4)
    assert set(drawn.train) <= set(split.train) and set(drawn.val) <= set(split.val)
    assert len(draw(split, 99, 1, tmp_path / "few").train) == 40


def test_draw_depends_on_split_shots_and_seed_alone(split, tmp_path):
    first = draw(split, 2, 1, tmp_path / "one")
    split.train.reverse()
    split.test.clear()
    again = draw(split, 2, 1, tmp_path / "two")
    assert (again.train, again.val, again.id) == (first.train, first.val, first.id)
    assert draw(split, 2, 2, tmp_path / "two").id != first.id
    assert set(first.train) < set(draw(split, 4, 1, tmp_path / "one").train)


def test_draw_is_fixed(split, tmp_path):
    """Recorded paths: a change here would silently change everyone's few-shot results."""
    drawn = draw(split, 1, 1, tmp_path / "few")
    assert [item.path.removeprefix("images/") for item in drawn.train] == [
        "train_0_6.png",
        "train_1_6.png",
        "train_2_3.png",
        "train_3_2.png",
    ]


def test_kept_draw_is_json_and_is_checked(split, tmp_path, capsys):
    drawn = draw(split, 2, 1, tmp_path / "few")
    path = tmp_path / "few/shot_2-seed_1.json"
    kept = json.loads(path.read_text())
    assert kept["train"] == [list(item) for item in drawn.train]
    assert (kept["id"], kept["source"]) == (drawn.id, "drawn")
    path.write_text(path.read_text().replace(drawn.train[0].path, "images/other.png"))
    with pytest.raises(UserError, match=r"shot_2-seed_1\.json does not hold the draw"):
        draw(split, 2, 1, tmp_path / "few")
    path.write_text("{")
    with pytest.raises(UserError, match="delete it"):
        draw(split, 2, 1, tmp_path / "few")


def test_another_draw_has_its_quotas_a_file_of_its_own_and_no_validation(split, tmp_path):
    split.train = [item for item in split.train if item.label < 3 or item.path.endswith("_0.png")]  # 10, 10, 10, 1
    drawn = draw(split, 2, 1, tmp_path / "few", kind="realistic")
    assert Counter(item.label for item in drawn.train) == {0: 2, 1: 3, 2: 3}
    assert drawn.val == [] and drawn.source == "realistic"
    assert (tmp_path / "few/shot_2-seed_1_realistic.json").is_file()
    assert draw(split, 2, 1, tmp_path / "few").source == "drawn"  # a pickle or draw of CoOp's stands beside it
    kept = draw(split, 2, 1, tmp_path / "few", kind="realistic")
    split.train.reverse()
    assert draw(split, 2, 1, tmp_path / "few", kind="realistic").id == kept.id == drawn.id
    assert set(draw(split, 1, 1, tmp_path / "few", kind="realistic").train) < set(drawn.train)


def test_draw_of_another_split_is_drawn_again(split, tmp_path, capsys):
    draw(split, 2, 1, tmp_path / "few")
    split.train.append(Item("images/new.png", 0, "round cell"))
    draw(split, 2, 1, tmp_path / "few")
    assert "drawn from another split" in capsys.readouterr().out
    draw(split, 2, 1, tmp_path / "few")
    assert "drawn from another split" not in capsys.readouterr().out


def test_read_only_folder_falls_back_to_the_output(split, tmp_path, capsys):
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    assert not writable(locked / "few")
    draw(split, 2, 1, locked / "few", tmp_path / "output")
    assert (tmp_path / "output/shot_2-seed_1.json").is_file()
    assert not (locked / "few").exists()
    draw(split, 2, 1, locked / "few")
    assert "not kept" in capsys.readouterr().out


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_coop_pickle_is_used(split, tmp_path, protocol):
    base = tmp_path / "cells"
    chosen = [next(item for item in split.train if item.label == label) for label in range(4)]
    data = {part: [Datum(str(base / i.path), i.label, 0, i.classname) for i in chosen] for part in ("train",)}
    folder = base / "split_fewshot"
    folder.mkdir()
    (folder / "shot_1-seed_1.pkl").write_bytes(pickle.dumps(data, protocol=protocol))
    drawn = draw(split, 1, 1, folder)
    assert drawn.train == chosen and drawn.source == "shot_1-seed_1.pkl"
    assert len(drawn.val) == 4
    assert json.loads((folder / "shot_1-seed_1.json").read_text())["source"] == "shot_1-seed_1.pkl"


class _Bomb:
    def __init__(self, call, *args):
        self.call = (call, args)

    def __reduce__(self):
        return self.call


def test_pickle_that_would_run_code_is_refused_and_runs_nothing(split, tmp_path):
    mark = tmp_path / "mark"
    bombs = [
        _Bomb(os.system, f"touch {mark}"),
        _Bomb(eval, f"open({str(mark)!r}, 'w')"),
        _Bomb(getattr, mark, "touch"),
        _Bomb(open, str(mark), "w"),
        _Bomb(Datum, str(mark)),
    ]
    for bomb in bombs:
        for data in (bomb, {"train": [bomb]}):
            path = tmp_path / "x.pkl"
            path.write_bytes(pickle.dumps(data))
            with pytest.raises(UserError, match=r"x\.pkl"):
                read_coop_pickle(path, split)
    assert not mark.exists()


def test_pickle_cannot_reserve_memory(split, tmp_path):
    (tmp_path / "x.pkl").write_bytes(b"\x80\x04]r\xff\xff\xff\x7f.")  # an empty list, remembered as number 2**31 - 1
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=r"x\.pkl"):
        read_coop_pickle(tmp_path / "x.pkl", split)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "kilobytes"


@pytest.mark.parametrize(
    "junk", [b"", b"\x80", b"junk", b"\x80\x04.", pickle.dumps([1]), pickle.dumps({"train": [{"a": 1}]})]
)
def test_broken_pickles_are_refused(split, tmp_path, junk):
    (tmp_path / "x.pkl").write_bytes(junk)
    with pytest.raises(UserError, match=r"x\.pkl.*delete it"):
        read_coop_pickle(tmp_path / "x.pkl", split)


def test_pickle_of_other_images_or_labels_is_refused(split, tmp_path):
    image = tmp_path / "cells" / split.train[0].path
    test = tmp_path / "cells" / split.test[0].path
    for datum in (Datum(str(image), 3, 0, "odd cell"), Datum(str(test), 0, 0, "round cell")):
        (tmp_path / "x.pkl").write_bytes(pickle.dumps({"train": [datum]}))
        with pytest.raises(UserError, match="is not in train of this split"):
            read_coop_pickle(tmp_path / "x.pkl", split)
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"train": [Datum(str(image), 0, 0, "round cell")]}))
    with pytest.raises(UserError, match="no image of label 1"):
        read_coop_pickle(tmp_path / "x.pkl", split)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_mutated_pickles_are_read_right_or_refused(split, tmp_path, data):
    chosen = [next(item for item in split.train if item.label == label) for label in range(4)]
    content = bytearray(
        pickle.dumps({"train": [Datum(str(tmp_path / "cells" / i.path), i.label, 0, i.classname) for i in chosen]})
    )
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "x.pkl"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        train, _ = read_coop_pickle(path, split)
    except UserError:
        return
    assert set(train) <= set(split.train) and {item.label for item in train} == {0, 1, 2, 3}
