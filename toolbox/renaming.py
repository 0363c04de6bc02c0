"""A module under another name, in the texts that import it: where a checkout has a trainers/base.py, ours is cilmp_base.py."""

import ast
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

PREFIX = "cilmp_"
"""Added to the name of a module whose place is taken."""


def renamed(files: Iterable[str]) -> dict[str, str]:
    """Another name for each of these files: `trainers/base.py` to `trainers/cilmp_base.py`."""
    return {name: PurePosixPath(name).with_name(PREFIX + PurePosixPath(name).name).as_posix() for name in files}


def with_names(file: str, text: str, files: dict[str, str]) -> str:
    """The text of a module that is `file` below the root, importing each module of `files` by its new name.

    Args:
        files: old to new paths of modules below the root, in the same folders as before.
    """
    modules = {_dotted(old): _dotted(new) for old, new in files.items()}
    lines = text.splitlines(keepends=True)
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    for node in sorted(found, key=lambda node: -node.lineno):  # from the end: the lines before it stay where they are
        if _rename(node, _base(node, file), modules):
            lines[node.lineno - 1 : node.end_lineno] = [" " * node.col_offset + ast.unparse(node) + "\n"]
    text = "".join(lines)
    for old, new in modules.items():
        text = re.sub(rf"(?<![\w.]){re.escape(old)}(?!\w)", new, text)
    return text


def _dotted(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def _base(node: ast.ImportFrom, file: str) -> str:
    """What is imported from, as an absolute name."""
    around = PurePosixPath(file).parts[: -node.level] if node.level else ()
    return ".".join([*around, *([node.module] if node.module else [])])


def _rename(node: ast.ImportFrom, base: str, modules: dict[str, str]) -> bool:
    """Change the statement where it imports from one of the modules, or one of them; whether it did."""
    if base in modules:
        node.module = ".".join([*node.module.split(".")[:-1], modules[base].rpartition(".")[2]])
        return True
    taken = [alias for alias in node.names if f"{base}.{alias.name}" in modules]
    for alias in taken:
        alias.asname = alias.asname or alias.name
        alias.name = modules[f"{base}.{alias.name}"].rpartition(".")[2]
    return bool(taken)
