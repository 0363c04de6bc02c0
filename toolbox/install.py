"""Put CILMP and the medical data sets into a checkout of CoOp's family: python -m toolbox.install CHECKOUT.

Nothing of the checkout is overwritten: configurations that it has under the same name stay its own, any other such file
stops everything before the first copy. --dry-run says what would be done, --undo takes it all away again.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from toolbox.command import run_command
from toolbox.errors import UserError
from toolbox.files import atomic_json, check_writable
from toolbox.parser import Parser

ROOT = Path(__file__).resolve().parents[1]
PARTS = (
    "vlm",
    "llm",
    "toolbox",
    "trainers/base.py",
    "trainers/cilmp.py",
    "trainers/life",
    "datasets",
    "configs/backbones",
    "configs/datasets",
    "configs/llm",
    "configs/trainers/CILMP",
)
LEFT_OUT = {"datasets/__init__.py"}
"""Theirs, and what ours does at import is one of the lines for train.py."""
THEIRS_STAY = "configs/"
MANIFEST = "cilmp-installed.json"
LINES = """In train.py, at its very top:

    import toolbox
    import datasets.readers
    import trainers.cilmp, trainers.life.config

and as the last line of its extend_cfg:

        trainers.life.config.extend_cfg(cfg)

Then `python train.py --trainer CILMP ...` runs there: docs/use-with-dassl.md has whole commands."""


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    p = Parser(prog="python -m toolbox.install", description=__doc__.partition("\n")[0])
    p.add_argument("checkout", type=Path, help="root of the checkout, where its train.py is")
    p.add_argument("--dry-run", action="store_true", help="say what would be done")
    p.add_argument("--undo", action="store_true", help="take away what was copied and has not been changed since")
    args = p.parse_args(argv)
    if args.undo:
        undo(args.checkout)
    else:
        install(args.checkout, args.dry_run)


def install(checkout: Path, dry_run: bool = False) -> None:
    """Copy what is not there, and print the lines for train.py.

    Raises:
        UserError: it is no checkout, it was done before, or a file there is another one of the same name.
    """
    if not (checkout / "train.py").is_file() or not (checkout / "trainers").is_dir():
        raise UserError(f"{checkout} is no checkout of CoOp's family: it has no train.py and trainers/")
    if checkout.resolve() == ROOT:
        raise UserError(f"{checkout} is this repository itself")
    if (checkout / "open_clip").is_dir():
        raise UserError(
            f"{checkout} has a folder open_clip/, which Python would take for the package of that name: rename it, or run "
            "its trainers from here (train.py --plugin)"
        )
    if (checkout / MANIFEST).exists():
        raise UserError(f"{checkout} has {MANIFEST}: take it away first (--undo)")
    copied, kept, clashes = sort(checkout)
    if clashes:
        found = ", ".join(clashes[:5]) + (" ..." if len(clashes) > 5 else "")
        raise UserError(
            f"{checkout} has {found}, which would be overwritten: nothing was copied; rename "
            "them there, or run its trainers from here (train.py --plugin)"
        )
    for name in kept:
        print(f"yours stays: {name} (ours: {ROOT / name})")
    print(f"{len(copied)} files {'would go' if dry_run else 'go'} into {checkout}")
    if not dry_run:
        check_writable(checkout, "choose a checkout that can be written to")
        atomic_json(
            checkout / MANIFEST, {name: _sum(ROOT / name) for name in copied}
        )  # first: a copy cut short can be undone
        for name in copied:
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, checkout / name)
        print(LINES)


def sort(checkout: Path) -> tuple[list[str], list[str], list[str]]:
    """Files to copy, configurations of the checkout that stay, and files that must not be overwritten."""
    copied, kept, clashes = [], [], []
    for name in files():
        there = checkout / name
        if not there.exists():
            copied.append(name)
        elif _sum(there) != _sum(ROOT / name):
            (kept if name.startswith(THEIRS_STAY) else clashes).append(name)
    return copied, kept, clashes


def files() -> Iterator[str]:
    """What is copied, as paths below the root."""
    for part in PARTS:
        found = [ROOT / part] if (ROOT / part).is_file() else sorted((ROOT / part).rglob("*"))
        for path in found:
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and "__pycache__" not in path.parts and name not in LEFT_OUT:
                yield name


def undo(checkout: Path) -> None:
    """Remove what `install` copied; files that were changed since stay, and are named.

    Raises:
        UserError: nothing was installed there.
    """
    manifest = checkout / MANIFEST
    if not manifest.is_file():
        raise UserError(f"{checkout} has no {MANIFEST}: nothing was installed there")
    folders = set()
    for name, was in json.loads(manifest.read_text(encoding="utf-8")).items():
        path = (checkout / name).resolve()
        if not path.is_relative_to(checkout.resolve()) or not path.is_file():
            continue
        if _sum(path) != was:
            print(f"changed since, and left: {name}")
            continue
        path.unlink()
        folders |= {folder for folder in path.parents if folder.is_relative_to(checkout.resolve())}
    for folder in sorted(folders - {checkout.resolve()}, key=lambda f: -len(f.parts)):
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
        if not any(folder.iterdir()):
            folder.rmdir()
    manifest.unlink()
    print(f"taken away from {checkout}; take its lines out of train.py too")


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    run_command(main)
