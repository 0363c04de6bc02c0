"""`python -m llm.import_reference DIR --dataset NAME`: rows of the reference program, one `<class>.pth` a class, as a store.

The files are read with `weights_only=True`: they may hold a tensor, and no code.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llm.question import described_classes, described_datasets
from llm.store import DTYPES, class_key, is_read, save_rows
from toolbox.command import program, run_command
from toolbox.errors import UserError, nearest
from toolbox.names import check_name
from toolbox.parser import Parser

if TYPE_CHECKING:
    from torch import Tensor


def read_reference(folder: Path, classnames: Sequence[str]) -> dict[str, Tensor]:
    """Rows `(layers, width)` of `classnames` from `folder/<class>.pth`; spaces in file names may be underscores.

    Raises UserError naming the class whose file is missing, or the file that is not a tensor of rows.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; it should hold one <class>.pth a class")
    files = {class_key(path.stem): path for path in sorted(folder.glob("*.pth"))}
    missing = [name for name in classnames if name not in files]
    if missing:
        hint = nearest(missing[0], files) if files else "it holds no .pth files"
        raise UserError(f"{folder}: no file '{missing[0]}.pth' ({hint}); the classes are: {'; '.join(classnames)}")
    return {name: read_tensor(files[name]) for name in classnames}


def read_tensor(path: Path) -> Tensor:
    """The one tensor in a `.pth` file, `(layers, width)`; further dimensions of size 1 are dropped.

    Raises UserError for anything else.
    """
    import torch

    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except (
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        pickle.UnpicklingError,
    ) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path}: not a file of one plain tensor, so it is not read ({reason})") from error
    if not isinstance(tensor, torch.Tensor) or not is_read(tensor):
        raise UserError(f"{path}: holds a {type(tensor).__name__}, not one tensor of {', '.join(DTYPES)}")
    while tensor.ndim > 2 and 1 in tensor.shape:
        tensor = tensor.squeeze(tensor.shape.index(1))
    return tensor.detach().clone()


def main(argv: Sequence[str] | None = None) -> int:
    """Import a folder; returns the exit code."""
    parser = Parser(prog=program("python -m llm.import_reference"), description="Rows of the reference program.")
    parser.add_argument("folder", type=Path, help="folder with one <class>.pth a class")
    parser.add_argument("--dataset", required=True, help="data set of the project, or the name of your own")
    parser.add_argument("--classes", help='class names of your own data set, in label order: "a; b; c"')
    parser.add_argument("--model", default="unknown", help="the model that made the rows, for the record")
    parser.add_argument("--output", type=Path, help="file (default: output/llm/reference/<dataset>.safetensors)")
    args = parser.parse_args(argv)
    check_name(args.dataset, "--dataset", nested=True)
    if args.classes:
        names = [class_key(name.strip()) for name in args.classes.split(";")]
    elif args.dataset.lower() in described_datasets():
        names = described_classes(args.dataset).classnames
    else:
        names = sorted(class_key(path.stem) for path in args.folder.glob("*.pth"))
    rows = read_reference(args.folder, names)
    output = args.output or Path("output/llm/reference") / f"{args.dataset}.safetensors"
    meta = {
        "model": args.model,
        "dataset": args.dataset,
        "answer": "imported",
        "pooling": "last",
        "files": args.folder.name,
    }
    save_rows(output, rows, meta)
    print(f"{output}: {len(rows)} classes, {sorted({tuple(tensor.shape) for tensor in rows.values()})}")
    return 0


if __name__ == "__main__":
    run_command(main)
