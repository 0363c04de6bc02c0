"""What a trained run looked at, or what it learned.

    python -m cilmp explain output/.../seed1 cell.png more_cells/     # heat maps, into output/.../seed1/explanations/
    python -m cilmp explain output/.../seed1 --words more_cells/      # nearest words, and how far rows are moved

A heat map says which patches spoke for the predicted class (or --class NAME); it does not say that the class is right.
--words prints the word pieces nearest to each learned context vector and, for CILMP and given images, how far the
intervention moves each class's rows: |h' - h| / |h|, mean over images. Files that cannot be read are named and left out;
the exit code then is 1.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cilmp.opening import images_and_run
from toolbox.errors import UserError
from toolbox.files import check_writable
from toolbox.names import OwnNames
from toolbox.parser import Parser
from toolbox.words import shown

if TYPE_CHECKING:
    from torch import Tensor

    from trainers.life.saved import SavedRun

WORDS_IMAGES = 64
"""Images that condition the intervention for --words, at most."""


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code."""
    parser = Parser(prog="python -m cilmp explain", description=__doc__, raw=True)
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="output folder of a finished training run")
    add("images", nargs="*", type=Path, metavar="IMAGE_OR_FOLDER", help="images, or folders with images at any depth")
    add("--class", dest="classname", help="explain this class instead of the predicted one")
    add("--out", type=Path, help="folder for the pictures (default: RUN/explanations)")
    add("--words", action="store_true", help="nearest words and movement of rows instead of pictures")
    add("--top", type=int, default=3, help="with --words: words a context vector")
    add("--plugin", action="append", default=[], help="Python file that registers the run's method")
    args = parser.parse_intermixed_args(argv)
    if not args.images and not args.words:
        parser.error("give images or folders, or --words")
    files, run = images_and_run(args.images, args.run, args.plugin)
    if args.words:
        return say_words(run, files[:WORDS_IMAGES], args.top)
    return draw_maps(run, files, args.classname, args.out or args.run / "explanations")


def draw_maps(run: "SavedRun", files: list[Path], classname: str | None, out: Path) -> int:
    """A picture of each file into the folder `out`; 1 if some could not be read."""
    from cilmp.heat_map import explained, label_of, save
    from datasets.images import read_image

    label = label_of(run, classname or None)
    check_writable(out, "give --out FOLDER")
    unread = 0
    names = OwnNames()  # folders may hold files of one name
    for path in files:
        try:
            image = read_image(path, reading=run.reading)
        except UserError as error:
            print(f"left out: {error}", file=sys.stderr)
            unread += 1
            continue
        name, title, picture = explained(run, image, label)
        target = out / f"{names.name(path.stem, name)}.png"
        save(picture, target)
        print(shown(f"{path}: {title} -> {target}"))
    return 1 if unread else 0


def say_words(run: "SavedRun", files: list[Path], top: int) -> int:
    """Print the tables of --words; 1 if some images could not be read."""
    from tabulate import tabulate

    from vlm.prompts.words import nearest_words

    model = run.model
    text = getattr(model, "text", None)
    ctx = getattr(text, "ctx", getattr(model, "ctx", None))
    if ctx is None:
        raise UserError(f"{run.result['method']} has no learned context to put into words")
    if ctx.dim() == 3:  # deep prompts: only the input's stand among word embeddings; or CSC: the first class's
        ctx = ctx[0]
    words = nearest_words(ctx.detach(), model.clip.text, top)
    table = [[i + 1, ", ".join(f"{word} ({distance:.2f})" for word, distance in row)] for i, row in enumerate(words)]
    print(tabulate(table, headers=["ctx", "nearest word pieces (distance)"]))
    if not (files and hasattr(text, "prefix")):
        return 0
    images, unread = _read_all(run, files)
    print(f"\nhow far rows are moved, |h' - h| / |h|, mean over {len(images)} images and all layers")
    headers = ["class", "prefix", "suffix", "largest layer"]
    print(tabulate(_rows_table(run, images), headers=headers, floatfmt=".4f"))
    return 1 if unread else 0


def _rows_table(run: "SavedRun", images: "Tensor") -> list[list]:
    from vlm.prompts.words import moved_rows

    moved = moved_rows(run.model.text, run.model.image_features(images))
    mean, layer = moved.mean(0), moved.mean(-1).argmax(0)
    return [[name, *mean[c].tolist(), int(layer[c]) + 1] for c, name in enumerate(run.classnames)]


def _read_all(run: "SavedRun", files: list[Path]) -> tuple["Tensor", int]:
    import torch

    from datasets.images import read_image

    images, unread = [], 0
    for path in files:
        try:
            images.append(run.transform(read_image(path, reading=run.reading)))
        except UserError as error:
            print(f"left out: {error}", file=sys.stderr)
            unread += 1
    if not images:
        raise UserError(f"none of the {len(files)} images could be read")
    return torch.stack(images).to(run.trainer.device), unread
