"""The lock files follow the requirements."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def pins(file: str) -> dict[str, str]:
    """Package to version, of lines such as `name==1.2.3 \\`."""
    lines = (ROOT / file).read_text().splitlines()
    found = (re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", line) for line in lines)
    return {re.sub(r"[._-]+", "-", m[1]).lower(): m[2].partition("+")[0] for m in found if m}


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-cpu.lock"])
@pytest.mark.parametrize("file", ["requirements.txt", "requirements-test.txt"])
def test_every_pin_is_in_the_lock(file, lock):
    assert pins(file).items() <= pins(lock).items()
