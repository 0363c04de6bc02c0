"""Rows that a run keeps: the very numbers its model took, for its classes and kind, and the store they come from."""

import pytest
import torch

from llm.store import read_store, save_rows
from llm.used import FILE, UsedRows, check_same_store, keep_rows, kept_rows
from toolbox.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """A run's folder with shuffled rows of two classes."""
    save_rows(tmp_path / "store.safetensors", {name: torch.ones(2, 3) for name in ("a", "b_c", "d")}, {})
    sha256 = read_store(tmp_path / "store.safetensors").meta["sha256"]
    used = UsedRows([torch.rand(2, 3), torch.rand(4, 3)], {"file": "store", "sha256": sha256, "kind": "shuffled"})
    keep_rows(tmp_path / "run", ["a", "b_c"], used)
    return tmp_path / "run", used


def test_what_was_kept_comes_back_to_the_bit_in_any_order(folder):
    place, used = folder
    found = kept_rows([None, place / "nothing", place / FILE], ["b c", "a"], "shuffled")
    assert torch.equal(found.rows[0], used.rows[1]) and torch.equal(found.rows[1], used.rows[0])
    assert found.id == used.id


@pytest.mark.parametrize(("names", "kind"), [(["a", "d"], "shuffled"), (["a"], "real")])
def test_other_classes_and_other_kinds_come_from_the_store(folder, names, kind):
    assert kept_rows([folder[0] / FILE], names, kind) is None


def test_the_store_must_be_the_same(folder, tmp_path):
    place, used = folder
    check_same_store(place, tmp_path / "store.safetensors", {"sha256": used.id["sha256"]})
    check_same_store(None, tmp_path / "other.safetensors", {"sha256": "0"})
    with pytest.raises(
        UserError, match=r"run was trained with rows of store .*other\.safetensors is not that file \(0\.\.\."
    ):
        check_same_store(place, tmp_path / "other.safetensors", {"sha256": "0"})
    with pytest.raises(UserError, match="holds what one run used"):
        check_same_store(None, place / FILE, read_store(place / FILE).meta)
