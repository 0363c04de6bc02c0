"""The BiomedCoOp collection is published with its splits: images and split file are taken as they are."""

from toolbox.errors import UserError

from ..contain import resolve_images
from ..facts import Facts
from ..split import PARTS, read_split
from .raw import Entry, RawTree, Release


def packed(raw: RawTree, facts: Facts) -> Release:
    """`<NAME>/split_<NAME>.json` beside `<NAME>/<NAME>/`; parts, labels and paths stay those of the file."""
    path = raw.file(facts.split_file)
    if path is None:
        raise UserError(f"no {facts.split_file} below {raw.root}; take the archive that BiomedCoOp publishes")
    split = read_split(path)
    base = path.parent / facts.images
    files = resolve_images(base, (item.path for part in PARTS for item in split.part(part)), path)
    entries = [Entry(base / item.path, item.classname, part) for part in PARTS for item in split.part(part)]
    if len(files) != len(entries):
        raise UserError(f"{path}: {len(entries) - len(files)} images are named twice")
    return Release(entries, ["split as published"], tuple(split.classnames), base)
