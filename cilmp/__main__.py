"""One command for everything: `python -m cilmp VERB ...`; `python -m cilmp VERB --help` has examples."""

import importlib
import sys
from collections.abc import Sequence

from cilmp import __version__
from cilmp.forward import door
from toolbox.command import run_command
from toolbox.errors import UserError, nearest

VERBS = {
    "run": "a sweep: base2new, few_shot, full, cross_dataset, eval, or a plan.yaml",
    "train": "one run of one method; train.py's flags",
    "report": "tables, plots and page of runs that are there",
    "predict": "class probabilities of images by a trained run",
    "explain": "heat maps of what a run looked at, or with --words what it learned",
    "calibrate": "what prediction sets need: a run measured on images it has not seen",
    "verify": "test a run again and compare with what it wrote",
    "share": "hand a run on: weights, rows, configuration, model card; to a folder or the hub",
    "export": "a run as a program of its own: onnx, torchscript, pt2",
    "serve": "one page to drop an image on, and a JSON endpoint",
    "data": "list, prepare, check, sums: data sets",
    "llm": "extract, show, import, describe, sentences: what a language model knows of a class",
    "list": "methods, backbones, datasets, llms, configs, plans: a line each",
    "copy": "a configuration or plan that comes with the project, to change it",
    "validate": "check a plan and say what would run; nothing is run",
    "golden": "compare with numbers recorded from reference programs",
    "doctor": "what is installed and reachable here, and what to type next",
}
"""Verb and what it does; the verb's module in `cilmp.verbs` is imported only when it is asked for."""


def main(argv: Sequence[str] | None = None) -> int | None:
    """Hand the words after the verb to it; returns its exit code.

    Raises:
        UserError: there is no such verb.
    """
    verb, *words = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if verb in ("-h", "--help"):
        lines = "\n".join(f"  {verb:<10} {what}" for verb, what in VERBS.items())
        print(f"usage: {door()} VERB ...\n\n{lines}\n\n{door()} VERB --help has more, with examples")
        return 0
    if verb == "--version":
        print(f"cilmp {__version__}")
        return 0
    if verb not in VERBS:
        raise UserError(f"no verb {verb!r}; {nearest(verb, VERBS)}")
    module = importlib.import_module(f"cilmp.verbs.{verb}")
    try:
        return module.main(words)
    finally:
        if words[:1] in (["-h"], ["--help"]):
            print(_examples(verb, getattr(module, "EXAMPLES", ())), end="")


def _examples(verb: str, examples: Sequence[str]) -> str:
    lines = "".join(f"    {door()} {verb} {words}\n" for words in examples)
    return f"\nexamples:\n{lines}" if lines else ""


def command() -> None:
    """What `cilmp` starts."""
    run_command(main)


if __name__ == "__main__":
    command()
