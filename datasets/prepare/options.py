"""What `python -m datasets.prepare` can be told."""

import argparse

from toolbox.command import program
from toolbox.errors import UserError
from toolbox.parser import Parser

from ..groups import group_finder
from .assemble import SHARES
from .copies import HANDLINGS as DUPLICATES
from .install import PLACINGS
from .parts import HANDLINGS as PARTS

OWN = ("folders", "csv")
_COLUMNS = ("file", "label", "group", "part")
_ONLY = {  # options that other data sets have no use for
    "folders": ("class_level",),
    "csv": ("table", "columns", "one_hot", "path_template", "skip_missing", *(f"{kind}_column" for kind in _COLUMNS)),
    "folders, csv": ("group_pattern", "parts", "masks", "folder"),
}


def parser(description: str) -> argparse.ArgumentParser:
    p = Parser(prog=program("python -m datasets.prepare"), description=description)
    p.add_argument("name", help="a data set (python -m cilmp data list), medmnist:NAME, or your own: folders, csv")
    p.add_argument("--raw", nargs="+", default=[], help="the download: a folder, or zip archives")
    p.add_argument("--root", required=True, help="data root, where the data set's folder is made")
    p.add_argument("--seed", type=int, default=1, help="seed of the division where there is no official one")
    p.add_argument(
        "--shares",
        type=float,
        nargs=3,
        default=SHARES,
        metavar=("TRAIN", "VAL", "TEST"),
        help="shares of the parts where there is no official division",
    )
    p.add_argument(
        "--images", choices=PLACINGS, default="link", help="hard links (or copies, across disks), copies, symlinks"
    )
    p.add_argument(
        "--duplicates",
        choices=DUPLICATES,
        default="together",
        help="equal files: in one part (default), as if they were different, or one of them only",
    )
    p.add_argument("--size", type=int, default=224, help="pixels, for the sets of MedMNIST")
    p.add_argument("--overwrite", action="store_true", help="make a split that is already there again")
    own = p.add_argument_group("data of your own (folders, csv)")
    own.add_argument("--folder", default="", help="name of the new folder")
    own.add_argument(
        "--group-pattern", default="", help="regular expression whose bracket finds the patient in the path below --raw"
    )
    own.add_argument(
        "--parts",
        choices=PARTS,
        default="keep",
        help="train, val and test of the download: keep them, divide anew, or take val for the test",
    )
    own.add_argument(
        "--masks",
        choices=("keep", "drop"),
        default="",
        help="files named like masks: images too, or left out (default, but a folder of nothing else is asked about)",
    )
    tree = p.add_argument_group("a folder a class (folders)")
    tree.add_argument(
        "--class-level", type=int, metavar="N", help="the class is the N-th folder below --raw; -1: the image's own"
    )
    table = p.add_argument_group("a table of files and labels (csv)")
    table.add_argument("--table", default="", help="the table, where there are several, or a .txt")
    for kind in _COLUMNS:
        table.add_argument(f"--{kind}-column", default="", help=f"the column of {kind}s")
    table.add_argument("--columns", nargs="+", default=[], metavar="NAME", help="names for a table without a header")
    table.add_argument(
        "--one-hot", nargs="*", metavar="COLUMN", help="a column of 0 and 1 a class: these, or all of that kind"
    )
    table.add_argument(
        "--path-template",
        default="",
        metavar="TEXT",
        help="how columns make a path: '{id}.bmp', '{patient}/{:name}'; {} is the file column, :name and :stem shorten it",
    )
    table.add_argument("--skip-missing", type=int, default=0, metavar="N", help="skip up to N rows that name no file")
    return p


def check(args: argparse.Namespace, defaults: argparse.Namespace) -> None:
    """Raises UserError for shares or a pattern that are none, and for options that the data set has no use for."""
    group_finder(args.group_pattern)
    if min(args.shares) < 0 or args.shares[0] == 0 or args.shares[2] == 0 or not abs(sum(args.shares) - 1) <= 1e-6:
        raise UserError(
            f"--shares {' '.join(map(str, args.shares))}: three shares that sum to 1, with train and test above 0"
        )
    for kinds, options in _ONLY.items():
        for option in options if args.name.lower() not in kinds.split(", ") else ():
            if getattr(args, option) != getattr(defaults, option):
                flag = "--" + option.replace("_", "-")
                raise UserError(f"{flag} is for {kinds}; `prepare {args.name}` knows its own layout")
