"""`python -m datasets.check NAME --root DATA`: is this data set whole, and can its test be trusted? Exit 1 if not."""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from toolbox.command import program, run_command
from toolbox.errors import UserError
from toolbox.files import atomic_json, check_writable, writable
from toolbox.parser import Parser

from ..contain import find_faulty
from ..facts import Facts, find_or_own
from ..groups import groups_by_pattern
from ..phantom.generate import ensure_phantom
from ..split import PARTS, Split, read_split, split_id
from .duplicates import check_duplicates
from .labels import check_groups, check_labels
from .pictures import check_pictures
from .report import Report
from .scan import Scan, scan_images
from .sheet import contact_sheet


def parser() -> argparse.ArgumentParser:
    p = Parser(prog=program("python -m datasets.check"), description=__doc__)
    p.add_argument("name", help="a data set (python -m cilmp data list), or a folder below the root with a split file")
    p.add_argument("--root", required=True, help="data root")
    p.add_argument("--group-pattern", default="", help="regular expression that finds the patient in a file name")
    p.add_argument("--out", default="", help="folder of the report (default: check/ in the data set's folder)")
    return p


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    from ..medical import dataset_folder  # only now: Dassl takes seconds

    facts = find_or_own(args.name, args.root)
    if facts.synthetic:
        ensure_phantom(args.root, facts.name)
    folder = dataset_folder(args.root, facts)
    out = Path(args.out) if args.out else folder / "check"
    if args.out:
        check_writable(out, "name another folder with --out")
    report = Report(facts.name)
    split, files = check(folder, facts, report, args.group_pattern)
    last = f"no report: {out} is read-only; name a folder with --out"
    if writable(out):
        last = f"report and contact sheet: {out}"
        atomic_json(out / "report.json", report.as_json())
        if split:
            contact_sheet(split, files, out / "contact_sheet.png")
    show(report, last)
    return 0 if report.ok else 1


def check(folder: Path, facts: Facts, report: Report, group_pattern: str = "") -> tuple[Split | None, dict[str, str]]:
    """Fill `report`; returns the split (None if it cannot be read) and the image files that are there, by path.

    `group_pattern` (see `datasets.groups`) finds the patients where the split names none.
    Raises UserError if there is no split file at all, or the pattern finds no patient in some of its paths.
    """
    split_path = folder / facts.split_file
    if not split_path.is_file():
        raise UserError(f"split file {split_path} is missing; make it with `python -m cilmp data prepare {facts.name}`")
    try:
        split = read_split(split_path)
    except UserError as error:
        report.fault("split", str(error))
        return None, {}
    report.facts["split_id"] = split_id(split)
    check_labels(split, facts, report)
    paths = dict.fromkeys(item.path for part in PARTS for item in split.part(part))
    check_groups(split, split.groups | groups_by_pattern(group_pattern, paths), report)
    files, missing, outside = find_faulty(folder / facts.images, paths)
    if missing:
        report.fault("missing file", f"{len(missing)} of {len(paths)} images do not exist", missing)
    if outside:
        report.fault("outside", f"{len(outside)} paths lead out of the data set's folder", outside)
    scans, broken = scan_images(files)
    if broken:
        reason = next(iter(broken.values()))
        report.fault("unreadable image", f"{len(broken)} images cannot be decoded, first: {reason}", list(broken))
    _describe(scans, report)
    check_pictures(scans, report)
    check_duplicates(split, scans, report)
    return split, files


def show(report: Report, last: str) -> None:
    """Print the report: facts, warnings, faults, verdict."""
    for name, counts in report.facts.get("images", {}).items():
        print(f"  {name}: " + " / ".join(f"{part} {n}" for part, n in counts.items()))
    for key in ("sizes", "colour", "patients"):
        if key in report.facts:
            print(f"  {key}: {report.facts[key]}")
    for finding in report.warnings:
        print(f"warning: {finding.line()}")
    for finding in report.faults:
        print(f"FAULT: {finding.line()}")
    print(last)
    print(f"{report.data_set}: " + ("no faults" if report.ok else f"{len(report.faults)} kinds of fault"))


def _describe(scans: dict[str, Scan], report: Report) -> None:
    if not scans:
        return
    sides = np.array([(scan.width, scan.height) for scan in scans.values()])
    low, mid, high = sides.min(0), np.median(sides, 0).astype(int), sides.max(0)
    report.facts["sizes"] = ", ".join(
        f"{word} {w} x {h}" for word, (w, h) in zip(("smallest", "median", "largest"), (low, mid, high), strict=True)
    )
    count = Counter("colour" if scan.colour else "grey" for scan in scans.values())
    report.facts["colour"] = ", ".join(f"{n} {kind}" for kind, n in count.most_common())


if __name__ == "__main__":
    run_command(main)
