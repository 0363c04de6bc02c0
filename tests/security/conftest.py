import pytest

from tests.faults.world import World, build
from tests.security.traps import Trap


@pytest.fixture
def trap(tmp_path):
    """A trap; the test fails if anything springs it."""
    made = Trap(tmp_path / "sprung")
    yield made
    assert not made.sprung, "code from a file was run"


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    return build(tmp_path_factory.mktemp("world"))
