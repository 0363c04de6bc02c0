"""The same image twice: by its bytes, and nearly, by its difference hash."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from ..split import PARTS, Split
from .report import Report
from .scan import Scan

NEAR_BITS = 12  # of 256; re-compressed or resized copies differ in fewer
_BLOCK = 256


def check_duplicates(split: Split, scans: Mapping[str, Scan], report: Report) -> None:
    """Equal files in two parts or with two labels are faults; equal files in one part, and near ones in two, warnings."""
    where = {item.path: (part, item.label) for part in PARTS for item in split.part(part) if item.path in scans}
    same: dict[str, list[str]] = defaultdict(list)
    for path in where:
        same[scans[path].content].append(path)
    across, within, labels = [], [], []
    for paths in same.values():
        if len(paths) > 1:
            parts = {where[path][0] for path in paths}
            (across if len(parts) > 1 else within).extend(paths)
            labels.extend(paths if len({where[path][1] for path in paths}) > 1 else [])
    if across:
        report.fault("duplicate across parts", f"{len(across)} equal files are in two parts", across)
    if labels:
        report.fault("duplicate with two labels", f"{len(labels)} equal files have different labels", labels)
    if within:
        report.warn("duplicate", f"{len(within)} equal files are in one part", within)
    near = [(a, b) for a, b in near_pairs(where, scans) if scans[a].content != scans[b].content]
    if near:
        report.warn(
            "near-duplicate across parts", f"{len(near)} pairs of images look alike", [f"{a} = {b}" for a, b in near]
        )


def near_pairs(where: Mapping[str, tuple[str, int]], scans: Mapping[str, Scan]) -> list[tuple[str, str]]:
    """Pairs of images in different parts whose hashes differ in at most `NEAR_BITS` bits."""
    hashed = {
        part: [path for path in where if where[path][0] == part and scans[path].dhash is not None] for part in PARTS
    }
    pairs = []
    for first, second in (("test", "train"), ("val", "train"), ("test", "val")):
        if not (hashed[first] and hashed[second]):
            continue
        right = np.stack([scans[path].dhash for path in hashed[second]])
        for start in range(0, len(hashed[first]), _BLOCK):
            block = hashed[first][start : start + _BLOCK]
            left = np.stack([scans[path].dhash for path in block])
            bits = np.bitwise_count(left[:, None] ^ right[None]).sum(-1)
            pairs += [(block[i], hashed[second][j]) for i, j in zip(*np.nonzero(bits <= NEAR_BITS), strict=True)]
    return pairs
