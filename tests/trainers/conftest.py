"""One small world a test session's worker, shared: runs differ by their output folders."""

import pytest

from tests.trainers.small_world import SmallWorld


@pytest.fixture(scope="session")
def world(tmp_path_factory, tiny_state) -> SmallWorld:
    return SmallWorld(tmp_path_factory.mktemp("world"), tiny_state)
