"""The store: same bytes for the same rows, strict reading, no wrong number silently."""

import json
import resource

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from llm.store import embedded_rows, load_rows, read_store, save_rows
from toolbox.errors import UserError


@pytest.fixture
def rows():
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(n, 8, generator=generator).half() for name, n in {"polyps": 3, "a_b": 2, "Z-line": 4}.items()
    }


@pytest.fixture
def file(tmp_path, rows):
    save_rows(tmp_path / "mine.safetensors", rows, {"model": "m", "dataset": "mine", "answers": {"polyps": "round"}})
    return tmp_path / "mine.safetensors"


def test_what_is_saved_is_read_in_label_order(file, rows):
    store = read_store(file)
    assert list(store.rows) == ["polyps", "a b", "Z-line"]
    assert all(torch.equal(a, b) for a, b in zip(store.rows.values(), rows.values(), strict=True))
    assert store.meta["answers"] == {"polyps": "round"}
    assert store.width == 8


def test_rows_come_in_the_order_asked_for_in_float32(file, rows):
    got = load_rows(file, ["Z-line", "a_b"])
    assert [tensor.dtype for tensor in got] == [torch.float32] * 2
    assert torch.equal(got[0], rows["Z-line"].float())
    assert torch.equal(got[1], rows["a_b"].float())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_number_types_are_kept(tmp_path, dtype):
    tensor = torch.linspace(-3, 3, 10).reshape(2, 5).to(dtype)
    save_rows(tmp_path / "x.safetensors", {"a": tensor}, {})
    read = read_store(tmp_path / "x.safetensors").rows["a"]
    assert read.dtype == dtype
    assert torch.equal(read, tensor)


def test_same_rows_give_the_same_bytes(tmp_path, rows):
    meta = {"z": 1, "a": [1, 2], "m": {"y": "é", "b": None}}
    save_rows(tmp_path / "1", rows, meta)
    save_rows(tmp_path / "2", rows, dict(reversed(meta.items())))
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_missing_class_is_named_with_the_command_that_makes_it(file):
    with pytest.raises(UserError) as error:
        load_rows(file, ["polyps", "polyp_s"])
    assert "'polyp s'" in str(error.value)
    assert "nearest: polyps" in str(error.value)
    assert 'python -m cilmp llm extract --classes "polyps; polyp s" --name mine' in str(error.value)


def test_class_names_are_case_sensitive(file):
    with pytest.raises(UserError, match="no rows for 'z-line'"):
        load_rows(file, ["z-line"])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"a": torch.ones(2, 3), "b": torch.ones(2, 4)}, "'b' are 4 wide, those before it 3"),
        ({"a": torch.ones(2, 3), "b": torch.tensor([[1.0, float("nan"), 1.0]])}, "'b' hold NaN"),
        ({"a": torch.tensor([[1.0, float("inf")]])}, "'a' hold NaN or infinite"),
        ({"a": torch.ones(3)}, r"'a' have shape \(3,\)"),
        ({"a": torch.ones(0, 3)}, r"'a' have shape \(0, 3\)"),
        ({"a": torch.ones(2, 3, dtype=torch.int32)}, "'a' are torch.int32"),
        ({}, "no rows at all"),
    ],
)
def test_bad_rows_are_named_when_written_and_when_read(tmp_path, bad, message):
    with pytest.raises(UserError, match=message):
        save_rows(tmp_path / "x.safetensors", bad, {})
    assert not list(tmp_path.iterdir())
    header = {"rows": json.dumps({"classes": list(bad), "sha256": "0"})}
    save_file(bad, tmp_path / "y.safetensors", metadata=header)
    with pytest.raises(UserError, match=message):
        read_store(tmp_path / "y.safetensors")


def test_truncated_file_is_refused_by_name_at_every_length(file):
    whole = file.read_bytes()
    for length in [0, 1, 7, 8, 9, *range(10, len(whole), 37)]:
        file.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"mine\.safetensors: not a whole safetensors file"):
            read_store(file)


def test_no_flipped_bit_gives_a_wrong_number(file, rows):
    whole = np.frombuffer(file.read_bytes(), dtype=np.uint8)
    random, refused = np.random.default_rng(0), 0
    for _ in range(400):
        damaged = whole.copy()
        damaged[random.integers(len(whole))] ^= 1 << random.integers(8)
        file.write_bytes(damaged.tobytes())
        try:
            got = load_rows(file, list(rows))
        except UserError as error:
            refused += "mine.safetensors" in str(error)
        else:
            assert all(torch.equal(a, b.float()) for a, b in zip(got, rows.values(), strict=True))
    assert refused > 200


@pytest.mark.parametrize(
    "changes", [{"model": "n"}, {"answers": {}}, {"seal": None}, {"format": None}, {"format": None, "more": 1}]
)
def test_a_header_that_was_edited_is_refused(file, rows, changes):
    with safe_open(file, framework="pt") as content:
        header = json.loads(content.metadata()["rows"])
    edited = {key: value for key, value in {**header, **changes}.items() if value is not None}
    plain = {name.replace("_", " "): tensor for name, tensor in rows.items()}
    save_file(plain, file, metadata={"rows": json.dumps(edited)})
    with pytest.raises(UserError, match=r"mine\.safetensors: its header is not as it was written"):
        read_store(file)
    for key in ("format", "seal"):
        edited.pop(key, None)  # a file of the time before headers were sealed
    save_file(plain, file, metadata={"rows": json.dumps(edited)})
    assert list(read_store(file).rows) == ["polyps", "a b", "Z-line"]


def test_a_safetensors_file_of_something_else_is_refused(tmp_path):
    save_file({"weight": torch.ones(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"model\.safetensors: a safetensors file, but not one of rows"):
        read_store(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    "header", ["", "3", "[]", "{", '{"classes": "a", "sha256": ""}', '{"classes": [1]}', '{"sha256": ""}']
)
def test_a_foreign_header_is_refused(tmp_path, header):
    save_file({"a": torch.ones(2, 2)}, tmp_path / "x.safetensors", metadata={"rows": header})
    with pytest.raises(UserError, match="not one of rows"):
        read_store(tmp_path / "x.safetensors")


def test_a_header_of_other_classes_is_refused(tmp_path):
    save_file({"a": torch.ones(2, 2)}, tmp_path / "x", metadata={"rows": json.dumps({"classes": ["b"], "sha256": ""})})
    with pytest.raises(UserError, match="other classes"):
        read_store(tmp_path / "x")


@pytest.mark.parametrize("content", [b"\x80\x04K\x01.", b"PK\x03\x04" + bytes(60), b"\xff" * 64, b"rows\n" * 20])
def test_other_kinds_of_file_are_refused(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.safetensors: not a whole safetensors file"):
        read_store(tmp_path / "x.safetensors")


def test_a_full_disk_leaves_the_old_file_and_one_clear_line(file, rows):
    before = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(UserError, match=r"cannot write .*mine\.safetensors: File too large"):
            save_rows(file, {**rows, "more": torch.ones(4, 8)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_missing_file_and_folder_are_named(tmp_path):
    for path in (tmp_path / "gone.safetensors", tmp_path):
        with pytest.raises(UserError, match=f"{path.name}: no such row file"):
            read_store(path)


def test_embedded_rows_are_found_in_any_case():
    assert embedded_rows("Kvasir").name == "kvasir.safetensors"
    assert embedded_rows("biomedcoop/BUSI").parent.name == "biomedcoop"


@pytest.mark.parametrize("name", ["kvasirr", "../store", "biomedcoop", "", "../rows/kvasir/../../../rows/kvasir"])
def test_unknown_data_set_is_refused_with_the_nearest(name):
    with pytest.raises(UserError, match="no embedded rows for data set"):
        embedded_rows(name)
