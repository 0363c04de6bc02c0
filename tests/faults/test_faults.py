"""One fault of each kind that no other test covers; `python tests/faults/run.py --n 200` is the long series."""

import random

import pytest

from tests.faults.kinds import KINDS
from tests.faults.scene import Scene, Stage

ELSEWHERE = (
    "killed at any moment",
    "killed at a file operation",
    "stopped by the scheduler",
    "sweep told to stop",  # tests/benchmark/test_stopping.py
    "sweep killed",
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ELSEWHERE])
def test_same_numbers_or_one_error(stage, name):
    kind, rng = KINDS[name], random.Random(name)
    scene = Scene(stage, kind.variants[0], kind.suffix, rng, kind.cached)
    _, verdict = kind.disturb(scene)
    assert verdict in ("same numbers", "one error, naming the file")
