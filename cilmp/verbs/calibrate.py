"""What prediction sets need: a run measured on images it has not seen."""

from collections.abc import Sequence

from cilmp.forward import forward

EXAMPLES = (
    "output/.../seed1 --images held_out/ --coverage 0.9 0.95",
    "output/.../seed1 --images val --temperature",
)


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code."""
    return forward("benchmark.calibrate", "python -m benchmark.calibrate", "calibrate", argv)
