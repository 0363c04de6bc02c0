"""A short round of `python tests/fuzz/run.py`."""

import pytest

from tests.fuzz.more_targets import ALL
from tests.fuzz.run import fuzz

N = 40


@pytest.mark.parametrize("name", ALL)
def test_only_user_errors(name):
    assert fuzz(name, N) >= N // 2  # fewer where hypothesis finds no more that differ
