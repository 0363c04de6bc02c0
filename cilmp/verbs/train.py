"""One run of one method on one data set; the flags are CoOp's."""

from collections.abc import Sequence

from cilmp.forward import forward

EXAMPLES = (
    "--trainer CILMP --root data --dataset-config-file configs/datasets/phantom.yaml --output-dir output/one --seed 1",
    "--trainer CoOp --help",
)


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code."""
    return forward("train", "train.py", "train", argv)
