"""`python -m llm.describe SPLIT`: a yaml file of the classes of a split, to be filled with what each looks like.

    python -m llm.describe data/mine/mine.json                        # a file to fill
    python -m llm.describe data/mine/mine.json --draft qwen2.5-0.5b   # a model writes the first version; read and mend it

With it `python -m cilmp llm extract --split SPLIT --answers FILE` makes rows that know more of a class than its name.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from llm.extract import split_classes
from llm.presets import preset_names
from llm.question import ClassList
from llm.store import class_key
from toolbox.command import program, run_command
from toolbox.errors import UserError
from toolbox.files import atomic_text, check_writable
from toolbox.parser import Parser

if TYPE_CHECKING:
    from llm.models import LanguageModel

FILE = "descriptions.yaml"
LONGEST = 120
"""Tokens of a drafted description."""


def parser() -> argparse.ArgumentParser:
    """Command line of `python -m llm.describe`."""
    p = Parser(
        prog=program("python -m llm.describe"),
        description=__doc__,
        raw=True,
    )
    p.add_argument("split", type=Path, help="split file in CoOp's JSON, for its class names")
    p.add_argument("--modality", default="", help='put into the question: "In a {modality} image, ..." (default: none)')
    p.add_argument(
        "--draft", metavar="MODEL", help=f"let a decoder write: name, folder, or {', '.join(preset_names())}"
    )
    p.add_argument("--out", type=Path, help=f"the file (default: {FILE} beside the split)")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file; returns the exit code."""
    args = parser().parse_args(argv)
    classes = ClassList(args.split.stem, [class_key(name) for name in split_classes(args.split)], args.modality)
    out = args.out or args.split.parent / FILE
    if out.exists():
        raise UserError(f"{out} is already there: fill it, or give another --out")
    check_writable(out.parent, "give --out FILE")
    texts = dict.fromkeys(classes.classnames, "")
    if args.draft:
        from llm.models import LoadOptions, load_language_model  # only now: this takes seconds

        texts = drafted(load_language_model(args.draft, LoadOptions(kind="causal")), classes)
    atomic_text(out, template(classes, texts, args.draft or ""))
    do = "read it, mend it, then" if args.draft else "fill it, then"
    extract = program("python -m llm.describe").replace("describe", "extract")
    print(f"{out}: {len(texts)} classes; {do}: {extract} --split {args.split} --answers {out}")
    return 0


def template(classes: ClassList, texts: dict[str, str], draft: str) -> str:
    """The file's text: the question, and each class with what is known of it so far."""
    told = f"Drafted by {draft}, not checked by anybody: read and mend it." if draft else "Fill in every class."
    head = (
        f"# What each class looks like, in a sentence or two. {told}\n"
        f"# The question: {classes.open_question}\n"
        "# Describe what is seen (shape, colour, texture, place), not what it means for a patient.\n"
    )
    content = {"modality": classes.modality, "source": draft, "classes": texts}
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def drafted(lm: LanguageModel, classes: ClassList) -> dict[str, str]:
    """What a decoder answers to the question about each class, cut at its last whole sentence."""
    from llm.answers import Generation, generate_answers

    found = {}
    for name in classes.classnames:
        (tokens,) = generate_answers(lm, [classes.question(name)], Generation(max_new_tokens=LONGEST))
        text = " ".join(lm.tokenizer.decode(tokens, skip_special_tokens=True).split())
        whole, stop, _ = text.rpartition(".")
        found[name] = whole + stop or text
    return found


if __name__ == "__main__":
    run_command(main)
