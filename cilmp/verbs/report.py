"""Tables, plots and page of runs that are there."""

from collections.abc import Sequence

from cilmp.forward import forward

EXAMPLES = (
    "output/base2new",
    "output/few_shot --page",
)


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code."""
    return forward("benchmark.report", "python -m benchmark.report", "report", argv)
