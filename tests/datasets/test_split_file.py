"""Split files: reading, refusing, writing, identity."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.split import PARTS, Item, Split, part_id, read_split, split_id, write_split
from tests.datasets.pictures import cells, save
from toolbox.errors import UserError

GOOD = {
    "train": [["a.png", 0, "x"], ["b.png", 1, "y"]],
    "val": [],
    "test": [["c.png", 0, "x"], ["d.png", 1, "y"]],
}


def test_parts_are_read_in_label_and_path_order(tmp_path):
    content = {**GOOD, "train": [["z.png", 1, "y"], ["b.png", "1", "y"], ["./q.png", 0, "x"]]}
    split = read_split(save(tmp_path, content))
    assert split.train == [Item("q.png", 0, "x"), Item("b.png", 1, "y"), Item("z.png", 1, "y")]
    assert split.classnames == ["x", "y"]
    assert split.val == []


def test_written_split_is_read_back_and_coop_can_read_it(tmp_path):
    split = Split([Item("b", 1, "y"), Item("a", 0, "x")], [], [Item("c", 0, "x")], {"a": "p1"}, {"seed": 3})
    write_split(tmp_path / "s.json", split)
    assert json.loads((tmp_path / "s.json").read_text())["train"] == [["a", 0, "x"], ["b", 1, "y"]]
    again = read_split(tmp_path / "s.json")
    assert (again.groups, again.meta, split_id(again)) == ({"a": "p1"}, {"seed": 3}, split_id(split))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": []}, "part 'train' is empty"),
        ({"test": []}, "part 'test' is empty"),
        ({"train": [["a.png", 1, "x"]], "test": [["c.png", 1, "x"]]}, "label 0 has no image"),
        ({"train": [["a.png", 0, "x"], ["b.png", 2, "y"]]}, "two class names|label 1 has no image|no image in train"),
        ({"train": [["a.png", 0, "x"], ["b.png", 0, "y"]]}, "label 0 has two class names, 'x' and 'y'"),
        ({"test": [["c.png", 0, "x"], ["e.png", 2, "z"]]}, r"class 'z' \(label 2\) has no image in train"),
        (
            {"train": [["a.png", 0, "x"], ["b.png", 1, "x"]], "test": [["c.png", 0, "x"]]},
            "two labels share the class name 'x'",
        ),
        (
            {"train": [["a.png", 0, "X_ray"], ["b.png", 1, "x-Ray"]], "test": [["c.png", 0, "X_ray"]]},
            "'X_ray' and 'x-Ray' are one name to a text encoder",
        ),
        ({"train": [["a.png", 0, "x"], ["a.png", 1, "y"]]}, "image a.png is 'x' and 'y'; an image has one label"),
        ({"val": [["a.png", 1, "y"]]}, "image a.png is 'x' and 'y'"),
        ({"test": [["a.png", 0, "x"]]}, "1 images are in train and in test, first: a.png"),
        ({"train": [["a.png", -1, "x"]]}, r"label of train\[0\] is -1"),
        ({"train": [["a.png", 0.5, "x"]]}, r"label of train\[0\] is 0.5"),
        ({"train": [["a.png", True, "x"]]}, r"label of train\[0\] is True"),
        ({"train": [["a.png", 0]]}, r"train\[0\] is not \[path, label, class name\]"),
        ({"train": [["", 0, "x"]]}, "not a file name"),
        ({"train": [["a.png", 0, " "]]}, r"class name of train\[0\] is empty"),
        ({"train": [["a.png", 0, "\ud800"]]}, "has characters that cannot be shown"),
        ({"train": [["\udfff.png", 0, "x"]]}, "is not a file name"),
        ({"train": {"a.png": 0}}, "part 'train' is not a list"),
        ({"groups": [1]}, "must be JSON objects"),
    ],
)
def test_bad_content_is_refused_in_one_line(tmp_path, change, message):
    path = save(tmp_path, {**GOOD, **change})
    with pytest.raises(UserError, match=message) as error:
        read_split(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"train": []}', "[" * 100_000, "\ufeff{}", "NaN"])
def test_files_that_are_no_split_are_refused(tmp_path, text):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(UserError, match=r"s\.json"):
        read_split(tmp_path / "s.json")


def test_byte_order_mark_is_passed_over(tmp_path):
    (tmp_path / "s.json").write_text("\ufeff" + json.dumps(GOOD), encoding="utf-8")
    assert read_split(tmp_path / "s.json").classnames == ["x", "y"]


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(UserError, match=r"is missing; make it with `python -m cilmp data prepare`"):
        read_split(tmp_path / "none.json")
    with pytest.raises(UserError, match="cannot be read"):
        read_split(tmp_path)
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(UserError, match="not JSON"):
        read_split(tmp_path / "b.json")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*PARTS, "groups", "meta"]), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(_json)
def test_any_json_is_a_split_or_a_user_error(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "fuzz.json"
    path.write_text(json.dumps(value))
    try:
        split = read_split(path)
    except UserError:
        return
    assert split.train and split.test


def test_identity_is_of_names_labels_and_files_whatever_the_order():
    items = [Item("a", 0, "x"), Item("b", 1, "y")]
    same = part_id(items)
    assert part_id(items[::-1]) == same
    for other in (
        [Item("a", 0, "x")],
        [Item("a", 0, "z"), items[1]],
        [Item("a2", 0, "x"), items[1]],
        [Item("a", 1, "x"), items[1]],
    ):
        assert part_id(other) != same
    assert part_id([]) == ""


def test_identity_is_fixed():
    """The recorded hash keeps old results comparable."""
    assert part_id([Item("images/a.png", 0, "x"), Item("images/b.png", 1, "y")])[:16] == "30d8ea7b95c7ced9"


def test_fixture_is_valid(tmp_path):
    assert len(cells(tmp_path)["train"]) == 24
    assert len(read_split(tmp_path / "cells/cells.json").val) == 12
