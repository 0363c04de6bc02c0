"""`python -m datasets.list --root DATA`: the table of data sets, and which of them are ready under a data root."""

import argparse
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from toolbox.command import program, run_command
from toolbox.errors import UserError
from toolbox.parser import Parser
from toolbox.words import shown

from .facts import FACTS, Facts
from .facts.own import find_split_file
from .split import PARTS, read_split


def parser() -> argparse.ArgumentParser:
    p = Parser(prog=program("python -m datasets.list"), description=__doc__)
    p.add_argument("--root", default="", help="data root; without it nothing is looked for")
    p.add_argument("--classes", action="store_true", help="show class names and sources too")
    return p


def state(facts: Facts, root: str) -> str:
    """ "ready", or what is missing under `root`."""
    folder = Path(root).expanduser() / facts.folder
    if facts.synthetic and not (folder / facts.split_file).is_file():
        return "drawn on first use"
    if not folder.is_dir():
        return "no folder " + facts.folder
    if not (folder / facts.split_file).is_file():
        return "no " + facts.split_file
    try:
        split = read_split(folder / facts.split_file)
    except UserError:
        return "split not valid: run datasets.check"
    first = folder / facts.images / split.train[0].path
    return "ready" if first.is_file() else "no images: run datasets.check"


def own_rows(root: str) -> list[tuple[str, ...]]:
    """Rows for the folders under `root` that are in no table and hold a split; read with the data set `split`."""
    known = {facts.folder for facts in FACTS.values()}
    rows = []
    for folder in sorted(
        path for path in Path(root).expanduser().iterdir() if path.is_dir() and path.name not in known
    ):
        try:
            split = read_split(folder / find_split_file(folder))
        except UserError:
            continue
        sizes = "/".join(str(len(split.part(part)) or "-") for part in PARTS)
        rows.append(
            (folder.name, "", str(len(split.classnames)), sizes, split.meta.get("licence") or "", "ready (split)")
        )
    return rows


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    if args.root and not Path(args.root).expanduser().is_dir():
        raise UserError(f"data root {args.root} is missing: --root is the folder that holds the data sets")
    table = Table("data set", "modality", "classes", "train/val/test", "licence", box=box.SIMPLE_HEAD)
    if args.root:
        table.add_column("here")
    for facts in FACTS.values():
        sizes = "/".join(str(n or "-") for n in facts.sizes) if facts.sizes else "no published split"
        row = [facts.name, facts.modality, str(len(facts.classnames)), sizes, facts.licence]
        table.add_row(*row, *([state(facts, args.root)] if args.root else []))
    for row in own_rows(args.root) if args.root else []:
        table.add_row(*(Text(shown(value)) for value in row))  # a folder's name is no markup
    console = Console(width=None if Console().is_terminal else 160)
    console.print(table)
    if args.classes:
        for facts in FACTS.values():
            console.print(f"{facts.name}: {'; '.join(facts.classnames)}\n  {facts.source}", highlight=False)
    return 0


if __name__ == "__main__":
    run_command(main)
