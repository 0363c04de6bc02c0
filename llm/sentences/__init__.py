"""The store of sentences: many short texts a class, for methods that hold images against a bank of text.

One yaml file a data set, `classes: {class name: [sentence, ...]}`, as `llm/descriptions` has one text a class. Those that
come with the project were written for it from the descriptions; `python -m cilmp llm sentences` makes more.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from llm.question import described_classes, described_datasets
from llm.store import class_key
from toolbox.errors import UserError
from toolbox.files import atomic_write
from toolbox.plain import PlainError, read_yaml

EMBEDDED = Path(__file__).parent


@dataclass(frozen=True)
class Sentences:
    """Sentences of each class, in the order that was asked for, and where they are from, for people."""

    texts: list[list[str]]
    source: str


def sentence_datasets() -> list[str]:
    """Names of the data sets whose sentences come with the project: `bccd`, `biomedcoop/busi`, ..."""
    return sorted(path.relative_to(EMBEDDED).with_suffix("").as_posix() for path in EMBEDDED.rglob("*.yaml"))


def read_sentences(path: str | Path) -> dict[str, list[str]]:
    """Class name -> its sentences, at least one.

    Raises UserError for a file that is not such a mapping; the file and the class are named.
    """
    try:
        content = read_yaml(Path(path))
    except (OSError, PlainError) as error:
        raise UserError(f"{path}: cannot be read as YAML text ({' '.join(str(error).split())})") from error
    classes = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(classes, dict) or not classes:
        raise UserError(f"{path}: needs a mapping `classes:` of class name to a list of sentences")
    for name, texts in classes.items():
        listed = isinstance(name, str) and isinstance(texts, list) and len(texts) > 0
        if not listed or not all(isinstance(text, str) and text.strip() for text in texts):
            raise UserError(
                f"{path}: class {name!r}: needs a list of sentences, each a text (quote names such as 'no')"
            )
    return {class_key(name): [" ".join(text.split()) for text in texts] for name, texts in classes.items()}


def write_sentences(path: str | Path, classes: Mapping[str, Sequence[str]], about: Mapping[str, Any]) -> None:
    """Write a file that `read_sentences` reads, `about` (who wrote it, of what) in front. Raises UserError as the disk does."""
    content = {**about, "classes": {class_key(name): list(texts) for name, texts in classes.items()}}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    atomic_write(path, lambda part: part.write_text(text, encoding="utf-8"))


def class_sentences(dataset: str, classnames: Sequence[str], templates: Sequence[str], file: str = "") -> Sentences:
    """What each class has: sentences, else its description, else hand-written prompts; which of them is said.

    Args:
        dataset: name of the data set, for the sentences and descriptions that come with the project.
        templates: hand-written prompts with one {}.
        file: a file of sentences instead of the embedded one.

    Raises:
        UserError: `file` is no file of sentences.
    """
    embedded = EMBEDDED / f"{dataset.lower()}.yaml"
    path = Path(file) if file else embedded
    known = read_sentences(path) if file or dataset.lower() in sentence_datasets() else {}
    described = described_classes(dataset).answers if dataset.lower() in described_datasets() else {}
    texts: list[list[str]] = []
    kinds: dict[str, list[str]] = {"sentences": [], "its description": [], "hand-written prompts": []}
    for name in map(class_key, classnames):
        if name in known:
            kind, own = "sentences", known[name]
        elif name in described:
            kind, own = "its description", re.split(r"(?<=[.;]) ", described[name])
        else:
            kind, own = "hand-written prompts", [template.replace("{}", name) for template in templates]
        texts.append(own)
        kinds[kind].append(name)
    parts = [f"{len(kinds['sentences'])} of {len(texts)} classes in {path.name}"] if known else []
    for kind in ("its description", "hand-written prompts"):
        if kinds[kind]:
            parts.append(f"{kind} stand in for {', '.join(kinds[kind])} (more: python -m cilmp llm sentences)")
    return Sentences(texts, "; ".join(parts))
