"""A short round of `python tests/fuzz/run.py`."""

import pytest

from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS

N = 40


@pytest.mark.parametrize("name", TARGETS)
def test_only_user_errors(name):
    assert fuzz(name, N) >= N // 2  # fewer where hypothesis finds no more that differ
