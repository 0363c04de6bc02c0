"""A sweep: a protocol or a plan, every method on the same splits."""

from collections.abc import Sequence

from cilmp.forward import forward

EXAMPLES = (
    "base2new --methods ZeroshotCLIP CoOp CILMP --datasets phantom",
    "plan.yaml --workers 2",
)


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code."""
    return forward("benchmark.run", "python -m benchmark.run", "run", argv)
