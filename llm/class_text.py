"""What stands for a class in a prompt: its name, or a text about it in the name's place."""

from collections.abc import Sequence

from datasets.config import KEYS
from llm.question import described_classes, plain_words
from llm.store import class_key
from toolbox.errors import UserError, nearest

KINDS = KEYS["DATASET.CLASS_TEXT"].choices


def class_texts(kind: str, dataset: str, classnames: Sequence[str]) -> list[str]:
    """The texts that DATASET.CLASS_TEXT asks for, in the order of `classnames`.

    Args:
        kind: name; description: what a language model is told of the class (llm/descriptions); plain: the same in words
            that the small CLIP has learned, where the descriptions have them.
        dataset: name of the data set, for its descriptions.

    Raises:
        UserError: an unknown kind, or a class without such a text.
    """
    if kind not in KINDS:
        raise UserError(f"DATASET.CLASS_TEXT is {kind!r}; {nearest(kind, KINDS)}")
    if kind == "name":
        return list(classnames)
    texts = plain_words(dataset) if kind == "plain" else described_classes(dataset).answers
    missing = [name for name in classnames if class_key(name) not in texts]
    if missing:
        raise UserError(
            f"DATASET.CLASS_TEXT {kind}: no such text for class {missing[0]!r} in llm/descriptions/{dataset}.yaml"
        )
    return [_in_a_sentence(texts[class_key(name)]) for name in classnames]


def _in_a_sentence(text: str) -> str:
    """ "A round cell." as it stands in "a photo of a {}."."""
    first, _, rest = text.rstrip(" .").partition(" ")
    return rest if first in ("A", "An") else f"{first} {rest}".strip()
