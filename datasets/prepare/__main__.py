"""`python -m datasets.prepare NAME --raw DOWNLOAD --root DATA`: a public release becomes images and a split."""

import argparse
from collections import Counter
from pathlib import Path

from toolbox.command import run_command
from toolbox.errors import UserError, nearest
from toolbox.files import check_writable
from toolbox.names import check_name
from toolbox.words import shown

from ..facts import FACTS, Facts
from ..phantom.generate import ensure_phantom
from ..split import PARTS, Split, split_id
from .archive import unpack
from .assemble import make_split
from .folders import folders
from .install import install, scratch_in
from .mnist import medmnist
from .options import OWN, check, parser
from .packed import packed
from .raw import RawTree, Release
from .releases import RELEASES
from .table import csv_file


def main(argv: list[str] | None = None) -> int:
    options = parser(__doc__)
    args = options.parse_args(argv)
    check(args, options.parse_args([args.name, "--root", args.root]))
    facts = describe(args)
    if facts.synthetic:
        print(f"{facts.name}: {facts.warning}; split: {ensure_phantom(args.root, facts.name) / facts.split_file}")
        return 0
    folder = Path(args.root).expanduser() / facts.folder
    check_writable(folder, "give another --root")
    if (folder / facts.split_file).exists() and not args.overwrite:
        raise UserError(f"{folder / facts.split_file} is already there; --overwrite makes it again")
    print(f"{facts.name}: licence: {facts.licence or 'yours to know'}; source: {facts.source or 'yours'}")
    with scratch_in(folder) as scratch:
        raw, release = read_release(args, facts, scratch)
        split, files, notes = make_split(release, facts, raw, args.seed, tuple(args.shares), args.duplicates)
        placing = "copy" if args.images == "symlink" and scratch in (raw, *raw.parents) else args.images
        split_path = install(split, files, folder, facts, placing, scratch)
    _report(split, split_path, [*release.notes, *notes, *([facts.warning] if facts.warning else [])], placing)
    return 0


def describe(args: argparse.Namespace) -> Facts:
    """The row of the table for the data set, or one made for a MedMNIST set or a data set of one's own."""
    name = args.name.lower()
    if name in FACTS:
        return FACTS[name]
    if name.startswith("medmnist:"):
        plain = check_name(name.removeprefix("medmnist:"), "data set")
        source = "https://medmnist.com"
        return FACTS.get(plain) or Facts(
            plain, plain, plain, f"{plain}.json", "", (), "", "a photo of a {}.", "", source
        )
    if name in OWN:
        own = args.folder or (Path(args.raw[0]).resolve().stem if args.raw else "")
        check_name(own, "--folder" if args.folder else "give --folder NAME: the name of the download,")
        return Facts(own, own, own, f"{own}.json", "", (), "", "a photo of a {}.", "", "")
    raise UserError(f"unknown data set {args.name!r}; {nearest(name, [*FACTS, *OWN, 'medmnist:NAME'])}")


def read_release(args: argparse.Namespace, facts: Facts, scratch: Path) -> tuple[Path, Release]:
    """The folder the release lies in (`scratch` if it had to be unpacked) and what it says."""
    name = args.name.lower().removeprefix("medmnist:")
    if name in ("bloodmnist", "dermamnist") or args.name.lower().startswith("medmnist:"):
        npz = Path(args.raw[0]) if args.raw else None
        return scratch, medmnist(name, args.size, npz.parent if npz and npz.is_file() else npz, scratch)
    raw = open_raw(args.raw, scratch)
    if name in OWN:
        tree = RawTree(raw, args.masks == "keep")
        if name == "csv":
            release = csv_file(tree, args)
        else:
            release = folders(tree, args.group_pattern, args.class_level, args.parts, args.masks)
        left_out = tree.found.left_out(release.read)
        return raw, release._replace(notes=[*([f"left out: {left_out}"] if left_out else []), *release.notes])
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


def _report(split: Split, split_path: Path, notes: list[str], placing: str) -> None:
    for note in notes:
        print(shown(f"note: {note}"))
    if placing == "symlink":
        print("note: symbolic links lead out of the data root: train with DATASET.ALLOW_OUTSIDE True")
    ids = split_id(split)
    for part in PARTS:
        count = Counter(item.classname for item in split.part(part))
        print(
            f"{part:5} {len(split.part(part)):6} images  {ids[part][:16]}  {', '.join(f'{k}: {v}' for k, v in count.items())}"
        )
    print(f"{split.meta['division']} division" + (f", seed {split.meta['seed']}" if "seed" in split.meta else ""))
    print(shown(f"split: {split_path}"))


if __name__ == "__main__":
    run_command(main)
