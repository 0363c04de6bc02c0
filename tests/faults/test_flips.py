"""A short round of `python tests/faults/flips.py`."""

import random
from pathlib import Path

import pytest
import torch

from tests.faults.flips import Kind, flips, kinds, same

N = 12


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, Kind]:
    return kinds(tmp_path_factory.mktemp("flips"))


def test_no_flipped_bit_is_read_as_something_else(found):
    for name, kind in found.items():
        tally = flips(kind, N, random.Random(1))
        assert set(tally) <= {"refused", "same"} and tally["refused"] > N // 2, (name, tally)


def test_what_is_read_otherwise_is_noticed(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(100))
    assert set(flips(Kind((file,), file.read_bytes), 3, random.Random(1))) - {"refused", "same"}
    assert Path(file).read_bytes() == bytes(100)
    assert same({"a": (torch.ones(2), None)}, {"a": (torch.ones(2), None)})
    for other in (torch.zeros(2), torch.ones(2, dtype=torch.float64), torch.ones(1, 2), 1.0):
        assert not same({"a": torch.ones(2)}, {"a": other})
