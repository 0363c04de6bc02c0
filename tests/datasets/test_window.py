"""DATASET.WINDOW: what may be written, and what it makes of values."""

import numpy as np
import pytest

from datasets.reading import Reading
from datasets.stretch import to_uint8
from datasets.window import parse_window, through_window
from toolbox.errors import UserError


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("", None),
        (" ", None),
        ("40 400", (40, 400)),
        ("-600, 1500.5", (-600, 1500.5)),
        ("40/400", (40, 400)),
        ("lung", (-600, 1500)),
        ("Bone", (400, 1800)),
        ("brain", (40, 80)),
        ("soft tissue", (50, 400)),
        ("soft_tissue", (50, 400)),
    ],
)
def test_windows(text, window):
    assert parse_window(text) == window


@pytest.mark.parametrize("text", ["lungs", "40", "40 400 1", "40 nan", "40 0", "40 -5", "inf 5", "a b"])
def test_what_is_no_window(text):
    with pytest.raises(UserError, match=r"DATASET\.WINDOW"):
        parse_window(text)
    with pytest.raises(UserError, match=r"DATASET\.WINDOW"):
        Reading(window=text)


def test_names_are_offered():
    with pytest.raises(UserError, match="nearest: lung"):
        parse_window("lungs")


def shades(values, *window) -> np.ndarray:
    return to_uint8(through_window(values, *window))


def test_functions_of_the_standard():
    values = np.array([-1000, -60, -59.5, 0, 40, 139, 140, 1000])
    # C.11.2.1.2.1: ((value - 39.5) / 199 + 0.5) * 255; for 0 that is 76.9, for 40 128.1
    assert shades(values, 40, 200).tolist() == [0, 0, 1, 77, 128, 255, 255, 255]
    assert shades(values, 40, 200, "LINEAR_EXACT").tolist() == [
        0,
        0,
        1,
        76,
        128,
        254,
        255,
        255,
    ]  # 76.5 and 127.5 to even
    assert shades(values, 40, 200, "SIGMOID").tolist() == [0, 30, 31, 79, 128, 224, 225, 255]
    assert shades(np.array([39, 40]), 40, 1).tolist() == [0, 255]
