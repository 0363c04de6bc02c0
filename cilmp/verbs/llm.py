"""Rows and sentences: what a language model knows of a class."""

from collections.abc import Sequence

from cilmp.forward import group

EXAMPLES = (
    "extract --model minilm --split data/mine/mine.json",
    "show llm/rows/kvasir.safetensors",
)
COMMANDS = {
    "extract": ("llm.extract", "python -m llm.extract", "ask a model about classes and keep its hidden states as rows"),
    "show": ("llm.show", "python -m llm.show", "what is in a file of rows, and how far apart its classes are"),
    "import": ("llm.import_reference", "python -m llm.import_reference", "rows of the reference program"),
    "describe": (
        "llm.describe",
        "python -m llm.describe",
        "a yaml of a split's classes, to fill with what they look like",
    ),
    "sentences": ("llm.sentences.__main__", "python -m llm.sentences", "many sentences a class"),
}


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code."""
    return group("llm", COMMANDS, argv)
