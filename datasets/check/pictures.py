"""Images that are no pictures: masks, and images with nothing in them."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath

from ..walk import is_mask
from .report import Report
from .scan import Scan


def check_pictures(scans: Mapping[str, Scan], report: Report) -> None:
    """Faults for masks among the images (by name, or black and one colour alone), and for flat, black and one-pixel images."""
    masks = [path for path, scan in scans.items() if is_mask(PurePosixPath(path)) or (scan.two_tone and not scan.blank)]
    if masks:
        report.fault(
            "mask", f"{len(masks)} images are masks by their name, or have two colours alone, one black", masks
        )
    blank: dict[str, list[str]] = defaultdict(list)
    for path, scan in scans.items():
        if scan.blank:
            blank[scan.blank].append(path)
    for what, paths in sorted(blank.items()):
        report.fault("blank image", f"{len(paths)} images are {what}", paths)
