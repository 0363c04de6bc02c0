"""Sentences out of BiomedCoOp's own file, which a user has in a checkout. It is parsed, never run."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from llm.question import ClassList
from llm.store import class_key
from toolbox.errors import UserError, nearest

FILE = Path("trainers/prompt_templates.py")  # in the checkout


def read_reference(path: Path, lists: Sequence[ClassList]) -> list[dict[str, list[str]]]:
    """Sentences of the classes of each of `lists`.

    Args:
        path: the checkout, or the file itself.

    Raises:
        UserError: no such file, it holds no sentences, or none of a class; the class is named.
    """
    file = path / FILE if path.is_dir() else path
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as BiomedCoOp's prompt templates ({error})") from error
    known = {class_key(name): texts for node in tree.body for name, texts in _lists(_value(node))}
    if not known:
        raise UserError(f"{file}: holds no lists of sentences by class name")
    for one in lists:
        for name in one.classnames:
            if class_key(name) not in known:
                raise UserError(f"{file}: no sentences of {name!r} ({nearest(name, known)})")
    return [{name: known[class_key(name)] for name in one.classnames} for one in lists]


def _value(node: ast.stmt) -> Any:
    """What a top-level assignment assigns, if it is plain data."""
    try:
        return ast.literal_eval(node.value) if isinstance(node, ast.Assign | ast.AnnAssign) and node.value else None
    except ValueError:
        return None


def _lists(value: Any) -> Iterator[tuple[str, list[str]]]:
    """Lists of texts by their key, at any depth."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        if isinstance(inner, list | tuple) and inner and all(isinstance(text, str) for text in inner):
            yield str(key), [" ".join(text.split()) for text in inner]
        else:
            yield from _lists(inner)
