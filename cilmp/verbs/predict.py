"""Class probabilities of images by a trained run.

    python -m cilmp predict output/.../seed1 cell.png more_cells/ --out cells
    python -m cilmp predict output/.../seed1 cells/ --classes "basophil; a neutrophil"
    python -m cilmp predict output/.../seed1 cells/ --coverage 0.9      # sets, once the run is calibrated

Prints the likeliest classes of each image and writes all probabilities to predictions.csv and predictions.json (--out
names them otherwise; predictions of another run are never written over unasked). With --classes "a; b" a method whose
prompts carry over tells these classes apart instead of those it was trained on. With --coverage, and after
`python -m cilmp calibrate RUN --images ...`, each image gets the set of classes that holds the true one for at least that
share of images like the calibration ones. Files that cannot be read are named and
left out; the exit code then is 1.
"""

import argparse
import contextlib
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from cilmp.answers import Answer, Answers, add_arguments, check
from cilmp.opening import images_and_run
from toolbox.errors import UserError
from toolbox.files import atomic_json, atomic_path, check_writable
from toolbox.parser import Parser
from toolbox.plain import parse_json
from toolbox.words import cell, file_text, shown

if TYPE_CHECKING:
    from PIL import Image

    from datasets.reading import Reading


def class_list(text: str) -> list[str] | None:
    """Class names separated by ";"; None for no text.

    Raises:
        UserError: a name is there twice, or there is none.
    """
    if not text:
        return None
    names = [name.strip() for name in text.split(";") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise UserError(f'--classes {text!r}: give different names separated by ";", such as "normal; pneumonia"')
    return names


def batches(
    paths: list[Path], size: int, reading: "Reading", unread: dict[str, str]
) -> Iterator[tuple[list[Path], list["Image.Image"]]]:
    """Images in batches of `size` with their paths, read as the run read its own.

    Those that cannot be read go to `unread`, with the reason.
    """
    from rich.console import Console
    from rich.progress import track

    from datasets.images import read_image

    files, images = [], []
    hidden = not sys.stderr.isatty()
    for path in track(paths, "Predicting", console=Console(stderr=True), transient=True, disable=hidden):
        try:
            images.append(read_image(path, reading=reading))
            files.append(path)
        except UserError as error:
            unread[str(path)] = str(error)
        if len(files) == size:
            yield files, images
            files, images = [], []
    if files:
        yield files, images


def check_free(out: Path, about: dict[str, str]) -> None:
    """Pass if nothing is in the way of `out`.csv and `out`.json but earlier predictions of the same run.

    Raises:
        UserError: predictions of another run, or another file, would be lost.
    """
    table, tree = _files(out)
    if not table.exists() and not tree.exists():
        return
    try:
        kept = parse_json(tree.read_text(encoding="utf-8"))
        same = {key: kept[key] for key in about} == about
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise UserError(f"{table if table.exists() else tree} is not of this run: give --out NAME, or --overwrite")


def _files(out: Path) -> tuple[Path, Path]:
    if out.name in ("", ".."):
        raise UserError(f"--out {out} is a folder: give the name of the files in it, without .csv and .json")
    return out.with_name(f"{out.name}.csv"), out.with_name(f"{out.name}.json")


def write(out: Path, classnames: list[str], rows: list[tuple[str, Answer]], about: dict) -> None:
    """Write `out`.csv (a row an image, a column a class) and `out`.json.

    In the table a name's bytes that are not UTF-8 stand as \\xNN and a backslash as two.
    """
    table, tree = _files(out)
    sets = any(answer.members is not None for _, answer in rows)
    with atomic_path(table) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "predicted", *(["set"] if sets else []), *map(cell, classnames)])
        for image, answer in rows:
            members = [cell("; ".join(answer.members or []))] if sets else []
            numbers = (f"{value:.6f}" for value in answer.probabilities)
            writer.writerow([cell(file_text(image)), cell(_predicted(answer, classnames)), *members, *numbers])
    images = [
        {
            "image": image,
            "predicted": _predicted(answer, classnames) or None,
            **({"set": answer.members} if sets else {}),
            "probabilities": dict(zip(classnames, answer.probabilities, strict=True)),
        }
        for image, answer in rows
    ]
    atomic_json(tree, {**about, "images": images})
    print(shown(f"{len(rows)} images: {table}, {tree}"))


def _predicted(answer: Answer, classnames: list[str]) -> str:
    return "" if answer.refused else classnames[answer.probabilities.index(max(answer.probabilities))]


def _line(path: Path, answer: Answer, classnames: list[str]) -> str:
    likely = sorted(zip(answer.probabilities, classnames, strict=True), reverse=True)[:3]
    said = ", ".join(f"{name} {100 * value:.1f} %" for value, name in likely)
    if answer.refused:
        said = f"no answer ({said})"
    if answer.members is not None:
        said = f"{{{'; '.join(answer.members)}}} ({said})"
    return f"{path}: {said}"


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code."""
    parser = Parser(prog="python -m cilmp predict", description=__doc__, raw=True)
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="output folder of a finished training run")
    add("images", nargs="+", type=Path, metavar="IMAGE_OR_FOLDER", help="images, or folders with images at any depth")
    add("--classes", default="", help='other classes, separated by ";" (underscores stand for spaces)')
    add("--load-epoch", type=int, help="the weights after this many epochs, instead of the last or best")
    add("--batch-size", type=int, default=32, help="images at a time")
    add("--out", type=Path, default=Path("predictions"), help="files to write, without .csv and .json")
    add("--overwrite", action="store_true", help="write over another run's predictions")
    add("--plugin", action="append", default=[], help="Python file that registers the run's method")
    add_arguments(parser)
    args = parser.parse_intermixed_args(argv)
    if args.batch_size < 1:
        raise UserError(f"--batch-size is {args.batch_size}; give 1 or more")
    check(args)
    check_writable(_files(args.out)[0].parent, "give --out NAME")
    predictions = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # whatever else is told: standard output is for predictions alone
        return predict(args, predictions)


def predict(args: argparse.Namespace, predictions: TextIO) -> int:
    """Print a line an image to `predictions` and write the files; 1 if some images could not be read."""
    import torch

    names = class_list(args.classes)
    paths, run = images_and_run(args.images, args.run, args.plugin, names, args.load_epoch)
    about = {"run": str(args.run), "method": run.result["method"], "backbone": run.result["backbone"]}
    if not args.overwrite:
        check_free(args.out, about)
    answers = Answers.asked(args, run)
    rows, unread = [], {}
    for files, images in batches(paths, args.batch_size, run.reading, unread):
        inputs = torch.stack([run.transform(image) for image in images])
        for path, answer in zip(files, answers.of(run.logits(inputs).numpy()), strict=True):
            print(shown(_line(path, answer, run.classnames)), file=predictions)
            rows.append((str(path), answer))
    for reason in unread.values():
        print(f"left out: {reason}")
    if not rows:
        raise UserError(f"none of the {len(paths)} images could be read")
    if answers.note():
        print(shown(answers.note()))
    write(args.out, run.classnames, rows, {**about, **answers.about(), "unread": unread})
    return 1 if unread else 0
