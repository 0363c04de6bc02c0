"""YAML and JSON of any origin as plain values: bounded in size, in depth, and in what the aliases of YAML grow to."""

import json
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1 << 20
"""Size of a YAML file; ours have a few kilobytes."""
MAX_NODES = 200_000
"""Values in a YAML file, each counted as often as aliases repeat it: a few lines of aliases can stand for billions."""
MAX_DEPTH = 60
"""Lists and mappings inside each other."""
MAX_DIGITS = 300
"""Length of a number: longer ones are no number of ours, take time to read and cannot be printed."""


class PlainError(ValueError):
    """The text is not YAML or JSON, or takes more than it may; the message is a fragment of a sentence."""


def read_yaml(path: str | Path) -> Any:
    """What the YAML file at `path` says, as plain values.

    Raises:
        OSError: it cannot be opened.
        PlainError: it is not YAML in UTF-8, says a key twice, or is out of all proportion.
    """
    path = Path(path)
    if path.stat().st_size > MAX_BYTES:
        raise PlainError(f"it is larger than {MAX_BYTES >> 20} MB")
    try:
        return parse_yaml(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise PlainError(f"it is not UTF-8: {error}") from error


def parse_yaml(text: str) -> Any:
    """`text`, one YAML document, as plain values. Raises PlainError."""
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {}, [])
        return loader.construct_document(node)
    except PlainError:
        raise
    except RecursionError as error:
        raise PlainError("values are nested too deeply") from error
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Tags promise what their text does not hold: dates such as 2001-13-45, numbers without a digit.
        raise PlainError(" ".join(str(error).split())) from error


def parse_json(text: str | bytes, finite: bool = False) -> Any:
    """`text` as JSON; `finite` refuses NaN and Infinity, which Python writes and JSON does not know.

    Raises PlainError, also for numbers beyond all measure and for endless nesting.
    """
    try:
        return json.loads(text, parse_int=_integer, parse_constant=_no_number if finite else None)
    except RecursionError as error:
        raise PlainError("values are nested too deeply") from error
    except ValueError as error:
        raise PlainError(str(error)) from error


def _no_number(text: str) -> None:
    raise PlainError(f"{text} is no number of JSON")


def _integer(digits: str) -> int:
    _check_length(digits)
    return int(digits)


def _check_length(number: str) -> None:
    if len(number) > MAX_DIGITS:
        raise PlainError(f"the number {number[:8]}... has {len(number):,} digits")


def _count(node: yaml.Node, known: dict[int, int], above: list[int]) -> int:
    """How many values `node` stands for once aliases are followed; each node is looked at once."""
    if id(node) in known:
        return known[id(node)]
    where = f"line {node.start_mark.line + 1}"
    if id(node) in above:
        raise PlainError(f"{where}: a value that contains itself")
    if len(above) > MAX_DEPTH:
        raise PlainError(f"{where}: values are nested more than {MAX_DEPTH} deep")
    if isinstance(node, yaml.ScalarNode):
        if node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float"):
            _check_length(node.value)
        return 1
    total = 1
    above.append(id(node))
    for inner in _inside(node):
        total += _count(inner, known, above)
        if total > MAX_NODES:
            raise PlainError(f"{where}: its aliases stand for more than {MAX_NODES:,} values")
    above.pop()
    known[id(node)] = total
    return total


def _inside(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return node.value
    keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
    twice = next((key for key in keys if keys.count(key) > 1), None) if len(keys) > len(set(keys)) else None
    if twice is not None:
        raise PlainError(f"line {node.start_mark.line + 1}: the key {twice!r} is there twice")
    return [inner for pair in node.value for inner in pair]
