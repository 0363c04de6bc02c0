"""Data sets: what is known, what is here, and how a folder becomes one."""

from collections.abc import Sequence

from cilmp.forward import group

EXAMPLES = (
    "prepare folders --raw my_images --root data --folder mine",
    "check mine --root data",
)
COMMANDS = {
    "list": ("datasets.list", "python -m datasets.list", "the table of data sets, and which are ready"),
    "prepare": ("datasets.prepare.__main__", "python -m datasets.prepare", "a download or your own images -> a split"),
    "check": ("datasets.check.__main__", "python -m datasets.check", "is it whole, and can its test be trusted?"),
    "sums": ("datasets.sums", "python -m datasets.sums", "write the SHA-256 of each image into a split"),
}


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code."""
    return group("data", COMMANDS, argv)
