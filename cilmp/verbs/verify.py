"""Test runs again and compare with what they wrote."""

from collections.abc import Sequence

from cilmp.forward import forward

EXAMPLES = (
    "output/base2new/train_base/phantom/shots_4/CILMP/small_clip/seed1",
    "output/.../seed1 --root data",
)


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code."""
    return forward("benchmark.verify", "python -m benchmark.verify", "verify", argv)
