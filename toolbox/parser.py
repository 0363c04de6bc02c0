"""Command lines whose help shows the default of every option that has one worth knowing."""

import argparse
from typing import Any


class _Help(argparse.HelpFormatter):
    def _get_help_string(self, action: argparse.Action) -> str:
        text, default = action.help or "", action.default
        if "default" in text or default is None or default is False or default in ("", [], argparse.SUPPRESS):
            return text
        typed = " ".join(map(str, default)) if isinstance(default, list | tuple) else str(default)
        return f"{text} (default: {typed.replace('%', '%%')})"


class _RawHelp(_Help, argparse.RawDescriptionHelpFormatter):
    pass


class Parser(argparse.ArgumentParser):
    """argparse's own.

    Args:
        raw: lines of the description stand as they are written.
    """

    def __init__(self, *arguments: Any, raw: bool = False, **options: Any) -> None:
        super().__init__(*arguments, formatter_class=_RawHelp if raw else _Help, **options)
