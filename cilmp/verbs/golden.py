"""Compare with numbers recorded from reference programs."""

from collections.abc import Sequence

from cilmp.forward import forward

EXAMPLES = (
    "tests/golden/coop_end.npz",
    "tests/golden/*.npz",
)


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code."""
    return forward("trainers.golden.__main__", "python -m trainers.golden", "golden", argv)
