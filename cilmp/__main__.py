"""One command for everything: `python -m cilmp VERB ...`; `python -m cilmp VERB --help` has examples."""

import importlib
import sys
from collections.abc import Sequence

from cilmp import __version__
from toolbox.command import run_command
from toolbox.errors import UserError, nearest

VERBS = {
    "predict": "class probabilities of images by a trained run",
    "explain": "heat maps of what a run looked at, or with --words what it learned",
}
"""Verb and what it does; the verb's module in `cilmp.verbs` is imported only when it is asked for."""

USAGE = "usage: python -m cilmp VERB ...\n\n" + "\n".join(f"  {verb:<10} {what}" for verb, what in VERBS.items())


def main(argv: Sequence[str] | None = None) -> int | None:
    """Hand the words after the verb to it; returns its exit code.

    Raises:
        UserError: there is no such verb.
    """
    verb, *words = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if verb in ("-h", "--help"):
        print(USAGE)
        return 0
    if verb == "--version":
        print(f"cilmp {__version__}")
        return 0
    if verb not in VERBS:
        raise UserError(f"no verb {verb!r}; {nearest(verb, VERBS)}")
    return importlib.import_module(f"cilmp.verbs.{verb}").main(words)


if __name__ == "__main__":
    run_command(main)
