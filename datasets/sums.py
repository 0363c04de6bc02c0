"""`python -m datasets.sums SPLIT.json`: write into a split the SHA-256 of each of its images, and seal the file.

From then on a damaged or exchanged image, and a damaged split, stop a run with a line that names the file.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from toolbox.command import program, run_command
from toolbox.errors import UserError
from toolbox.parser import Parser

from .contain import resolve_images
from .images import file_sum
from .split import PARTS, read_split, write_split


def sums_of(folder: str | Path, paths: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the files at `paths` below `folder`, by path."""
    return file_sums({path: Path(folder) / path for path in paths})


def file_sums(files: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of `files`, under their keys. Raises UserError for files without a byte in them."""
    empty = [file for file in files.values() if file.stat().st_size == 0]
    if empty:
        more = f" (and {len(empty) - 1} other images are)" if len(empty) > 1 else ""
        raise UserError(f"image {empty[0]} is empty{more}: no byte is in it; download it again, or take it out")
    with ThreadPoolExecutor() as pool:
        return dict(zip(files, pool.map(file_sum, files.values()), strict=True))


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog=program("python -m datasets.sums"), description=__doc__)
    parser.add_argument("split", type=Path, help="the split file")
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
