"""Put CILMP and the medical data sets into a checkout of CoOp's family: python -m toolbox.install CHECKOUT.

Nothing of the checkout is overwritten: configurations that it has under the same name stay its own, and a module whose
place is taken gets another name (`toolbox.renaming`). Any other such file stops everything before the first copy.
--dry-run says what would be done, --undo takes it all away again.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolbox.command import run_command
from toolbox.errors import UserError
from toolbox.files import atomic_json, check_writable
from toolbox.parser import Parser
from toolbox.renaming import renamed, with_names

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
OURS = "trainers/cilmp.py"
OTHERWISE = "or run its trainers from here (train.py --plugin)"
MANIFEST = "cilmp-installed.json"
LINES = """In train.py, as its first line:

    import toolbox

and as the last lines of its extend_cfg:

        import datasets.readers, trainers.cilmp, trainers.life.config
        trainers.life.config.extend_cfg(cfg)

Then `python train.py --trainer CILMP ...` runs there: docs/use-with-dassl.md has whole commands."""


@dataclass(frozen=True)
class Copies:
    """What goes where.

    Attributes:
        moved: modules of ours that get another name there, by the name here.
        new: all files of ours that are not there yet, as paths here.
        kept: configurations of the checkout that stay its own.
    """

    moved: dict[str, str]
    new: list[str]
    kept: list[str]

    def place(self, name: str) -> str:
        """Where a file of ours goes."""
        return self.moved.get(name, name)

    def content(self, name: str) -> bytes:
        """What goes there: the file, with modules that have another name there called by it."""
        content = (ROOT / name).read_bytes()
        if not self.moved or not name.endswith(".py"):
            return content
        return with_names(name, content.decode(), self.moved).encode()


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
        UserError: it is no checkout, it was done before, or what is there leaves no place for ours.
    """
    check(checkout)
    copies = plan(checkout)
    for name in copies.kept:
        print(f"yours stays: {name} (ours: {ROOT / name})")
    for name, other in copies.moved.items():
        print(f"yours stays: {name} (ours goes to {other})")
    print(f"{len(copies.new)} files {'would go' if dry_run else 'go'} into {checkout}")
    if not dry_run:
        check_writable(checkout, "choose a checkout that can be written to")
        sums = {copies.place(name): hashlib.sha256(copies.content(name)).hexdigest() for name in copies.new}
        atomic_json(checkout / MANIFEST, sums)  # first: a copy cut short can be undone
        for name in copies.new:
            target = checkout / copies.place(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(copies.content(name))
        print(LINES)


def check(checkout: Path) -> None:
    """Pass if ours may go there.

    Raises:
        UserError: as `install`.
    """
    if not (checkout / "train.py").is_file() or not (checkout / "trainers").is_dir():
        raise UserError(f"{checkout} is no checkout of CoOp's family: it has no train.py and trainers/")
    if checkout.resolve() == ROOT:
        raise UserError(f"{checkout} is this repository itself")
    if (checkout / MANIFEST).exists():
        raise UserError(f"{checkout} has {MANIFEST}: take it away first (--undo)")
    packages = {part.partition("/")[0] for part in PARTS if not part.startswith(THEIRS_STAY)}
    hidden = [f"{name}.py" for name in sorted(packages) if (checkout / f"{name}.py").exists()]
    if hidden:
        raise UserError(f"{checkout} has {hidden[0]}, which a folder of that name would hide: rename it, {OTHERWISE}")
    if (checkout / OURS).exists():
        raise UserError(f"{checkout} has a CILMP of its own, {OURS}: rename it and what it registers, {OTHERWISE}")


def plan(checkout: Path) -> Copies:
    """What goes where, so that nothing of the checkout is overwritten.

    Raises:
        UserError: a file is in the way that is neither a configuration nor a module.
    """
    there = [name for name in files() if (checkout / name).exists()]
    taken = [name for name in there if _sum(checkout / name) != _sum(ROOT / name)]
    kept = [name for name in taken if name.startswith(THEIRS_STAY)]
    moved = renamed(name for name in taken if name.endswith(".py") and not name.endswith("__init__.py"))
    clashes = [name for name in taken if name not in kept and name not in moved]
    clashes += [name for name in moved.values() if (checkout / name).exists()]
    if clashes:
        found = ", ".join(clashes[:5]) + (" ..." if len(clashes) > 5 else "")
        raise UserError(
            f"{checkout} has {found}, which would be overwritten: nothing was copied; rename them there, {OTHERWISE}"
        )
    return Copies(moved, [name for name in files() if name not in there or name in moved], kept)


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
