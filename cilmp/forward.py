"""Verbs that are commands of a room: the room's `main` is called, under the verb's name."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from toolbox.command import called_as


def door() -> str:
    """How the one command was called: `cilmp` where it is installed, else `python -m cilmp`."""
    return "cilmp" if Path(sys.argv[0]).stem == "cilmp" else "python -m cilmp"


def forward(module: str, program: str, verb: str, argv: Sequence[str]) -> int:
    """Call `main(argv)` of `module`, whose help and errors then say `verb`, not `program`; returns the exit code."""
    called_as(program, f"{door()} {verb}")
    return importlib.import_module(module).main(list(argv)) or 0


def group(verb: str, commands: dict[str, tuple[str, str, str]], argv: Sequence[str]) -> int:
    """A verb of several commands: name -> (module, program, what it does); the first word says which.

    Raises:
        UserError: there is no such command.
    """
    from toolbox.errors import UserError, nearest

    name, *words = argv or ["--help"]
    if name in ("-h", "--help"):
        lines = "\n".join(f"  {name:<12} {what}" for name, (_, _, what) in commands.items())
        print(f"usage: {door()} {verb} COMMAND ...\n\n{lines}")
        return 0
    if name not in commands:
        raise UserError(f"{verb}: no command {name!r}; {nearest(name, commands)}")
    module, program, _ = commands[name]
    return forward(module, program, f"{verb} {name}", words)
