"""`python -m llm.sentences`: many sentences a class, by a language model or from a checkout of BiomedCoOp.

The file goes to `TRAINER.BIOMEDCOOP.SENTENCES_FILE` (and ViP's).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llm.extract import class_lists
from llm.presets import preset_names
from llm.question import ClassList, article
from llm.sentences import write_sentences
from llm.sentences.reference import read_reference
from toolbox.command import program, run_command
from toolbox.errors import UserError
from toolbox.names import safe_name
from toolbox.parser import Parser

if TYPE_CHECKING:
    from llm.models import LanguageModel

ROUNDS = 8  # a small model repeats itself: it is asked again, with another seed, this often at most
SHORTEST = 3  # words


def parser() -> argparse.ArgumentParser:
    """Command line of `python -m llm.sentences`."""
    p = Parser(prog=program("python -m llm.sentences"), description=__doc__.split(": ", 1)[1])
    who = p.add_mutually_exclusive_group(required=True)
    who.add_argument("--model", help=f"hub name, folder, or preset of a decoder: {', '.join(preset_names())}")
    who.add_argument("--reference", type=Path, help="checkout of BiomedCoOp, or its trainers/prompt_templates.py")
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--dataset", nargs="+", metavar="NAME", help="data sets the project knows (bccd, biomedcoop/busi)"
    )
    what.add_argument("--classes", help='class names: "a; b; c" (with --name)')
    what.add_argument("--split", type=Path, help="split file in CoOp's JSON, for its class names")
    p.add_argument("--name", help="name of the data set for --classes and --split")
    p.add_argument("--modality", help="put into the question (default: the data set's)")
    p.add_argument("--count", type=int, default=30, help="sentences a class")
    p.add_argument("--seed", type=int, default=0, help="seed of answers that are sampled")
    p.add_argument("--device", default="auto", help="auto (all GPUs there are), cpu, cuda, cuda:1")
    p.add_argument("--output", type=Path, help="folder of the files (default: output/llm/sentences/<model>)")
    p.add_argument("--overwrite", action="store_true", help="make a file again that is already there")
    p.set_defaults(all=False, question=None, answers=None)
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Make one file a data set; returns the exit code."""
    args = parser().parse_args(argv)
    if args.count < 1:
        raise UserError("--count is at least 1")
    source = args.model or "biomedcoop"
    folder = args.output or Path("output/llm/sentences") / safe_name(Path(source).name.lower())
    lists = class_lists(args)
    files = {one.name: folder / f"{one.name}.yaml" for one in lists}
    for file in files.values():
        if file.exists() and not args.overwrite:
            raise UserError(f"{file}: is there already; --overwrite to replace it")
    if args.reference:
        found, by = read_reference(args.reference, lists), "BiomedCoOp's prompt_templates.py"
    else:
        from llm.models import LoadOptions, load_language_model  # only now: this takes seconds

        lm = load_language_model(args.model, LoadOptions(device=args.device, kind="causal"))
        found, by = (ask(lm, one, args.count, args.seed) for one in lists), f"{lm.name} ({lm.revision})"
    for one, classes in zip(lists, found, strict=True):
        about = {"modality": one.modality} if one.modality else {}
        write_sentences(files[one.name], classes, {**about, "source": by})
        numbers = ", ".join(f"{name} {len(texts)}" for name, texts in classes.items())
        print(f"{files[one.name]}: {numbers}")
    return 0


def ask(lm: LanguageModel, classes: ClassList, count: int, seed: int) -> dict[str, list[str]]:
    """Up to `count` different sentences of each class.

    Raises UserError, naming the class, if the model writes none at all.
    """
    where = f"{article(classes.modality)} {classes.modality} image" if classes.modality else "an image"
    return {name: _of_class(lm, name, where, count, seed) for name in classes.classnames}


def _of_class(lm: LanguageModel, name: str, where: str, count: int, seed: int) -> list[str]:
    from llm.answers import Generation, generate_answers

    question = f"Write {count} short, different sentences that describe how {name} looks in {where}, one a line."
    found: dict[str, str] = {}
    for i in range(ROUNDS):
        how = Generation(max_new_tokens=24 * count, temperature=0.7, seed=seed + i)
        (tokens,) = generate_answers(lm, [question], how)
        for sentence in sentences_in(lm.tokenizer.decode(tokens, skip_special_tokens=True)):
            found.setdefault(sentence.lower(), sentence)
        if len(found) >= count:
            break
    if not found:
        raise UserError(f"{lm.name} wrote no sentence about {name!r}; take a model that follows instructions")
    return list(found.values())[:count]


def sentences_in(answer: str) -> list[str]:
    """The sentences of an answer, one a line, without numbers and bullets; lines of a word or two are none."""
    lines = (re.sub(r"^\s*(?:[-*•]|\(?\d+[.):])\s*", "", line).strip().strip('"') for line in answer.splitlines())
    return [line for line in lines if len(line.split()) >= SHORTEST and not line.endswith(":")]


if __name__ == "__main__":
    run_command(main)
