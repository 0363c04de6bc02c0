"""Declared values: what is allowed, and what is said where something is not."""

import pytest

from toolbox.errors import UserError
from toolbox.options import Option, default_of


@pytest.mark.parametrize(
    "option, good, bad, said",
    [
        (Option(4, "context vectors", 1, 64), [1, 64, 2.0], [0, 65, -1, 10**30, None, True, "4"], "give 1 to 64"),
        (Option(0.1, "dropout", 0.0), [0.0, 5], [-0.1, float("nan"), float("inf")], "give 0.0 or more"),
        (Option("a", "a letter", choices=("a", "b")), ["a", "b"], ["c", None], "give a or b"),
        (Option((1, 2), "two", 1, 9), [(1, 9), [3, 4]], [(0, 1), (1, 10), None], "give 1 to 9"),
        (Option(1.0, "any"), [-5.0, 1e9], [float("nan")], "give a number"),
    ],
)
def test_allowed_and_refused(option, good, bad, said):
    for value in good:
        option.check("KEY", value)
    for value in bad:
        with pytest.raises(UserError, match=rf"KEY is .*: {option.help}; {said}"):
            option.check("KEY", value)


def test_a_plain_default_is_itself():
    assert default_of(Option(3, "three")) == default_of(3) == 3
