"""The question put to a language model about a class, and the short descriptions that stand in for its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from llm.store import class_key
from toolbox.errors import UserError, nearest
from toolbox.plain import read_yaml

DESCRIPTIONS = Path(__file__).parent / "descriptions"
TEMPLATES = Path(__file__).parent.parent / "configs" / "llm" / "question" / "paper.yaml"
LETTERS_WITH_AN = "AEFHILMNORSX"


@dataclass(frozen=True)
class ClassList:
    """What is asked about: the classes of a data set in label order, the imaging modality, written answers if any.

    `template` is a question of the user's own, with `{class}` and, if wanted, `{article}` and `{modality}` in it.
    """

    name: str
    classnames: list[str]
    modality: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    template: str = ""

    @property
    def open_question(self) -> str:
        """The question with `{class}` left open."""
        template = self.template or _templates()["with_modality" if self.modality else "plain"]
        filled = template.replace("{article}", article(self.modality) if self.modality else "an")
        return filled.replace("{modality}", self.modality)

    def question(self, classname: str) -> str:
        """The question about a class: the paper's (CILMP, section III-B), unless there is a `template`."""
        return self.open_question.replace("{class}", class_key(classname))


def article(noun: str) -> str:
    """`a` or `an`, as English speaks it: an MRI, an X-ray, an ultrasound, a CT."""
    spelt_out = len(noun) == 1 or not noun[1].islower()
    vowel = noun[0].upper() in LETTERS_WITH_AN if spelt_out else noun[0].lower() in "aeiou"
    return "an" if vowel else "a"


def described_datasets() -> list[str]:
    """Names of the data sets with written descriptions: `kvasir`, `biomedcoop/busi`, ..."""
    return sorted(path.relative_to(DESCRIPTIONS).with_suffix("").as_posix() for path in DESCRIPTIONS.rglob("*.yaml"))


def described_classes(dataset: str) -> ClassList:
    """Classes, modality and descriptions of a data set that the project knows. Raises UserError for another name."""
    known = described_datasets()
    if dataset.lower() not in known:
        raise UserError(
            f"no data set '{dataset}' in llm/descriptions ({nearest(dataset, known)}); "
            f'for one of your own: --classes "a; b; c" --name mine, or --split FILE.json'
        )
    path = DESCRIPTIONS / f"{dataset.lower()}.yaml"
    content = read_answers(path)
    return ClassList(dataset.lower(), list(content["classes"]), content.get("modality", ""), content["classes"])


def read_answers(path: str | Path) -> dict[str, Any]:
    """A descriptions file: `{"classes": {class name: text}, "modality": str, "source": str}`, the last two optional.

    Raises UserError for a file that is not that, e.g. where YAML reads an unquoted `no` as false.
    """
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read as YAML text ({reason})") from error
    classes = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(classes, dict) or not classes:
        raise UserError(f"{path}: needs a mapping `classes:` of class name to description")
    for name, text in classes.items():
        if text is None or (isinstance(text, str) and not text.strip()):
            raise UserError(f"{path}: class {name!r} has no description yet: write what it looks like")
        if not isinstance(name, str) or not isinstance(text, str):
            raise UserError(f"{path}: class {name!r}: name and description must be text (quote names such as 'no')")
    return {**content, "classes": {class_key(name): text.strip() for name, text in classes.items()}}


def plain_words(dataset: str) -> dict[str, str]:
    """Each class of a data set in words that a CLIP understands, from `plain:` in its descriptions.

    Raises UserError for a data set that the project does not know, or whose descriptions have none.
    """
    described_classes(dataset)
    path = DESCRIPTIONS / f"{dataset.lower()}.yaml"
    plain = read_yaml(path).get("plain")
    if not isinstance(plain, dict) or not all(isinstance(text, str) for text in plain.values()):
        raise UserError(f"{path} has no mapping `plain:` of class name to words that the CLIP understands: add one")
    return {class_key(str(name)): text for name, text in plain.items()}


@cache
def _templates() -> dict[str, str]:
    return read_yaml(TEMPLATES)
