"""`python -m datasets.sums SPLIT.json`: write into a split the SHA-256 of each of its images, and seal the file.

From then on a damaged or exchanged image, and a damaged split, stop a run with a line that names the file.
"""

import argparse
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from toolbox.command import run_command

from .contain import resolve_images
from .images import file_sum
from .split import PARTS, read_split, write_split


def sums_of(folder: str | Path, paths: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the files at `paths` below `folder`, by path."""
    paths = list(paths)
    with ThreadPoolExecutor() as pool:
        return dict(zip(paths, pool.map(lambda path: file_sum(Path(folder) / path), paths), strict=True))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m datasets.sums", description=__doc__)
    parser.add_argument("split", type=Path)
    parser.add_argument("--images", type=Path, help="the folder its paths start from (default: the split's own)")
    args = parser.parse_args(argv)
    split, folder = read_split(args.split), args.images or args.split.parent
    paths = dict.fromkeys(item.path for part in PARTS for item in split.part(part))
    resolve_images(folder, paths, args.split)
    write_split(args.split, replace(split, sums=sums_of(folder, paths)))
    print(f"{args.split}: sums of {len(paths)} images, and a seal")
    return 0


if __name__ == "__main__":
    run_command(main)
