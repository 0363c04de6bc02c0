"""`python -m datasets.prepare NAME --raw DOWNLOAD --root DATA`: a public release becomes images and a split."""

import argparse
import contextlib
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from toolbox.command import run_command
from toolbox.errors import UserError, nearest

from ..facts import FACTS, Facts
from ..phantom.generate import ensure_phantom
from ..split import PARTS, Split, split_id
from .archive import unpack
from .assemble import PLACINGS, SHARES, install, make_split
from .general import csv_file, folders
from .mnist import medmnist
from .packed import packed
from .raw import RawTree, Release
from .releases import RELEASES

_OWN = ("folders", "csv")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m datasets.prepare", description=__doc__)
    p.add_argument("name", help="a data set (python -m datasets.list), medmnist:NAME, or your own: folders, csv")
    p.add_argument("--raw", nargs="+", default=[], help="the download: a folder, or zip archives")
    p.add_argument("--root", required=True, help="data root, where the data set's folder is made")
    p.add_argument("--folder", default="", help="name of the new folder (folders, csv; else the table's)")
    p.add_argument("--seed", type=int, default=1, help="seed of the division where there is no official one")
    p.add_argument("--shares", type=float, nargs=3, default=SHARES, metavar=("TRAIN", "VAL", "TEST"))
    p.add_argument(
        "--images", choices=PLACINGS, default="link", help="hard links (or copies, across disks), copies, symlinks"
    )
    p.add_argument("--size", type=int, default=224, help="pixels, for the sets of MedMNIST")
    p.add_argument(
        "--group-pattern", default="", help="folders: regular expression that finds the patient in a file name"
    )
    p.add_argument("--table", default="", help="csv: the table, where there are several")
    for column in ("file", "label", "group", "part"):
        p.add_argument(f"--{column}-column", default="", help=f"csv: the column of {column}s")
    p.add_argument("--overwrite", action="store_true", help="make a split that is already there again")
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    _check(args)
    facts = describe(args)
    if facts.synthetic:
        print(f"{facts.name}: {facts.warning}; split: {ensure_phantom(args.root) / facts.split_file}")
        return 0
    folder = Path(args.root).expanduser() / facts.folder
    if (folder / facts.split_file).exists() and not args.overwrite:
        raise UserError(f"{folder / facts.split_file} is already there; --overwrite makes it again")
    print(f"{facts.name}: licence: {facts.licence or 'yours to know'}; source: {facts.source or 'yours'}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".unpacked-", dir=folder))
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror}; choose another --root") from None
    try:
        raw, release = read_release(args, facts, scratch)
        split, files = make_split(release, facts, raw, args.seed, tuple(args.shares))
        placing = "copy" if args.images == "symlink" and scratch in (raw, *raw.parents) else args.images
        split_path = install(split, files, folder, facts, placing)
    except OSError as error:
        raise UserError(f"{error.filename or folder}: {error.strerror}; make room or choose another --root") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        with contextlib.suppress(OSError):  # an empty folder would look like a data set
            folder.rmdir()
    _report(split, split_path, [*release.notes, *([facts.warning] if facts.warning else [])], placing)
    return 0


def describe(args: argparse.Namespace) -> Facts:
    """The row of the table for the data set, or one made for a MedMNIST set or a data set of one's own."""
    name = args.name.lower()
    if name in FACTS:
        return FACTS[name]
    if name.startswith("medmnist:"):
        plain = name.removeprefix("medmnist:")
        source = "https://medmnist.com"
        return FACTS.get(plain) or Facts(
            plain, plain, plain, f"{plain}.json", "", (), "", "a photo of a {}.", "", source
        )
    if name in _OWN:
        own = args.folder or (Path(args.raw[0]).stem if args.raw else "")
        if not own or Path(own).name != own:
            raise UserError(f"--folder {own!r} is not the name of a folder")
        return Facts(own, own, own, f"{own}.json", "", (), "", "a photo of a {}.", "", "")
    raise UserError(f"unknown data set {args.name!r}; {nearest(name, [*FACTS, *_OWN, 'medmnist:NAME'])}")


def read_release(args: argparse.Namespace, facts: Facts, scratch: Path) -> tuple[Path, Release]:
    """The folder the release lies in (`scratch` if it had to be unpacked) and what it says."""
    name = args.name.lower().removeprefix("medmnist:")
    if name in ("bloodmnist", "dermamnist") or args.name.lower().startswith("medmnist:"):
        npz = Path(args.raw[0]) if args.raw else None
        return scratch, medmnist(name, args.size, npz.parent if npz and npz.is_file() else npz, scratch)
    raw = open_raw(args.raw, scratch)
    if name == "folders":
        return raw, folders(RawTree(raw), args.group_pattern)
    if name == "csv":
        columns = (args.file_column, args.label_column, args.group_column, args.part_column)
        return raw, csv_file(RawTree(raw), args.table, *columns)
    if name.startswith("biomedcoop/"):
        return raw, packed(RawTree(raw), facts)
    return raw, RELEASES[name](RawTree(raw))


def open_raw(given: list[str], scratch: Path) -> Path:
    """The folder of the download; zip archives are unpacked to `scratch`. UserError if it is neither."""
    if not given:
        raise UserError("give the download with --raw: a folder, or zip archives")
    paths = [Path(path).expanduser() for path in given]
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0].resolve()
    for path in paths:
        if not path.is_file() or path.suffix.lower() != ".zip":
            raise UserError(f"--raw {path} is neither a folder nor a zip archive; unpack it, or check the path")
        unpack(path, scratch)
    return scratch


def _check(args: argparse.Namespace) -> None:
    if min(args.shares) < 0 or args.shares[0] == 0 or args.shares[2] == 0 or abs(sum(args.shares) - 1) > 1e-6:
        raise UserError(
            f"--shares {' '.join(map(str, args.shares))}: three shares that sum to 1, with train and test above 0"
        )


def _report(split: Split, split_path: Path, notes: list[str], placing: str) -> None:
    for note in notes:
        print(f"note: {note}")
    if placing == "symlink":
        print("note: symbolic links lead out of the data root: train with DATASET.ALLOW_OUTSIDE True")
    ids = split_id(split)
    for part in PARTS:
        count = Counter(item.classname for item in split.part(part))
        print(
            f"{part:5} {len(split.part(part)):6} images  {ids[part][:16]}  {', '.join(f'{k}: {v}' for k, v in count.items())}"
        )
    print(f"{split.meta['division']} division" + (f", seed {split.meta['seed']}" if "seed" in split.meta else ""))
    print(f"split: {split_path}")


if __name__ == "__main__":
    run_command(main)
