"""Public names of a Dassl's modules, read from its source.

`python -m tests.toolbox.dassl_names CHECKOUT` records those of a stock checkout.
"""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

RECORD = Path(__file__).with_name("dassl_names.json")


def names_of(file: Path) -> list[str]:
    """What a module defines or takes from its own package, and the one class of torch that trainers import from it."""
    return sorted({name for name in _names(ast.parse(file.read_text())) if not name.startswith("_") and name != "*"})


def _names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.ImportFrom):
            own = node.level or (node.module or "").partition(".")[0] == "dassl"
            yield from (alias.asname or alias.name for alias in node.names if own or alias.name == "SummaryWriter")


def modules(root: Path) -> dict[str, list[str]]:
    """Module name to names, for each module of the checkout at `root`."""
    found = {}
    for file in sorted((root / "dassl").rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = names_of(file)
    return found


if __name__ == "__main__":
    RECORD.write_text(json.dumps(modules(Path(sys.argv[1])), indent=0) + "\n")
