"""Training that is killed at random points and started again ends with the very weights of an undisturbed run."""

import random

import pytest

from tests.faults.kinds import killed_at_a_file_operation, killed_at_any_moment, stopped_by_the_scheduler
from tests.faults.scene import VARIANTS, Scene, Stage


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


def name(variant: int) -> str:
    method, options = VARIANTS[variant]
    return "-".join([method, *map(str, options)])


@pytest.mark.parametrize("disturb", [killed_at_any_moment, killed_at_a_file_operation])
@pytest.mark.parametrize("variant", range(len(VARIANTS)), ids=name)
def test_killed(stage, variant, disturb):
    """For CILMP and CoOp, with 0 and 2 loading processes, for the last epoch's and for the best weights."""
    scene = Scene(stage, variant, ".png", random.Random(f"{variant} {disturb.__name__}"))
    assert disturb(scene)[1] == "same numbers"


@pytest.mark.parametrize("variant", [0, 5], ids=name)
def test_stopped_by_a_scheduler(stage, variant):
    scene = Scene(stage, variant, ".png", random.Random(variant))
    assert stopped_by_the_scheduler(scene)[1] == "same numbers"
