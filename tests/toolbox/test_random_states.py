import random

import numpy as np
import torch

from toolbox import random_states


def draw() -> list[float]:
    return [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn(), torch.rand(()).item()]


def test_restored_states_give_the_same_numbers():
    random.gauss(0, 1)  # Python and NumPy keep the second of a pair of normal numbers for the next call
    np.random.randn()
    states = random_states.capture()
    first = draw()
    assert draw() != first
    random_states.restore(states)
    assert draw() == first


def test_states_survive_a_file_that_holds_plain_data_only(tmp_path):
    torch.save(random_states.capture(), tmp_path / "states")
    first = draw()
    random_states.restore(torch.load(tmp_path / "states", weights_only=True))
    assert draw() == first
