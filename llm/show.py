"""`python -m llm.show FILE`: what is in a file of rows, and how far apart its classes are to the language model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llm.store import RowStore, read_store
from toolbox.command import program, run_command
from toolbox.errors import UserError
from toolbox.files import atomic_write, check_writable
from toolbox.parser import Parser
from toolbox.words import shown

if TYPE_CHECKING:
    from torch import Tensor

FACTS = (
    "model",
    "revision",
    "dataset",
    "question",
    "answer",
    "pooling",
    "layers",
    "dtype",
    "date",
    "versions",
    "sha256",
)
CLOSE = 0.99


def cosines(store: RowStore, layer: int | None = None) -> Tensor:
    """Cosines between classes, `(n_cls, n_cls)`: of the rows of one layer (its place from 1; -1 the last), or, without
    one, the mean over the rows that both classes have. Raises UserError if a class has no such row.
    """
    import torch

    rows = [torch.nn.functional.normalize(tensor.double(), dim=-1) for tensor in store.rows.values()]
    if layer is not None:
        place = layer - 1 if layer > 0 else layer
        for name, tensor in zip(store.rows, rows, strict=True):
            if layer == 0 or not -len(tensor) <= place < len(tensor):
                raise UserError(f"--layer {layer}: '{name}' has rows 1 to {len(tensor)}")
        rows = [tensor[place].unsqueeze(0) for tensor in rows]
    matrix = torch.ones(len(rows), len(rows), dtype=torch.float64)
    for i, a in enumerate(rows):
        for j, b in enumerate(rows[:i]):
            shared = min(len(a), len(b))
            matrix[i, j] = matrix[j, i] = (a[:shared] * b[:shared]).sum(-1).mean()
    return matrix


def close_pairs(matrix: Tensor, names: Sequence[str], limit: float = CLOSE) -> list[tuple[str, str, float]]:
    """Pairs of classes whose cosine is above `limit`, the closest first."""
    pairs = [(a, b, float(matrix[i, j])) for i, a in enumerate(names) for j, b in enumerate(names[:i])]
    return sorted((pair for pair in pairs if pair[2] > limit), key=lambda pair: -pair[2])


def safe(text: object) -> str:
    """Text from a file for Rich: no markup, nothing a terminal would obey."""
    return escape(shown(text))


def facts_table(store: RowStore) -> Table:
    """How the rows came about."""
    table = Table(box=None, show_header=False)
    for key in FACTS:
        if store.meta.get(key) is not None:
            table.add_row(key, safe(store.meta[key]))
    return table


def class_table(store: RowStore, matrix: Tensor) -> Table:
    """One line a class: shape, norms of its first and last row, the class nearest to it, the answer."""
    table = Table("class", "rows", "norm first..last", "nearest class", "answer", box=None)
    names, answers = list(store.rows), store.meta.get("answers") or {}
    for i, (name, tensor) in enumerate(store.rows.items()):
        norms = tensor.float().norm(dim=-1)
        others = matrix[i].clone()
        others[i] = float("-inf")
        nearest = f"{names[int(others.argmax())]} {float(others.max()):.3f}" if len(names) > 1 else "-"
        shape, span = "x".join(map(str, tensor.shape)), f"{norms[0]:.2f}..{norms[-1]:.2f}"
        table.add_row(safe(name), shape, span, safe(nearest), safe(answers.get(name, "")))
    return table


def cosine_table(matrix: Tensor, names: Sequence[str]) -> Table:
    """The cosine matrix with numbered columns."""
    table = Table("", *[str(i + 1) for i in range(len(names))], box=None, padding=(0, 1, 0, 0))
    for i, name in enumerate(names):
        table.add_row(f"{i + 1} {safe(name)}", *[f"{value:.2f}" for value in matrix[i].tolist()])
    return table


def picture(matrix: Tensor, names: Sequence[str], title: str, path: Path) -> None:
    """The cosine matrix as a picture; the kind of file goes by the suffix of `path` (png, pdf, svg)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    suffix = path.suffix.lstrip(".") or "png"
    if suffix not in FigureCanvasAgg.get_supported_filetypes():
        raise UserError(f"--picture {path}: write a .png, .pdf or .svg")
    size = 2.5 + 0.35 * len(names)
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(matrix.numpy(), cmap="viridis", vmax=1.0)
    labels = [name if len(name) < 40 else f"{name[:37]}..." for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=90, parse_math=False)
    axes.set_yticks(range(len(names)), labels, parse_math=False)
    axes.set_title(title, fontsize="medium", parse_math=False)
    figure.colorbar(image, label="cosine between classes")
    atomic_write(path, lambda part: figure.savefig(part, format=suffix, dpi=150))


def main(argv: Sequence[str] | None = None) -> int:
    """Print a file of rows; returns the exit code."""
    parser = Parser(prog=program("python -m llm.show"), description=__doc__.split(": ", 1)[1])
    parser.add_argument("file", type=Path, help="a file of rows")
    parser.add_argument("--layer", type=int, help="compare the rows of this layer alone (from 1; -1 the last)")
    parser.add_argument("--picture", type=Path, help="also write the cosine matrix as a picture")
    args = parser.parse_args(argv)
    if args.picture:
        check_writable(args.picture.parent, "give --picture FILE")
    store = read_store(args.file)
    matrix, names = cosines(store, args.layer), list(store.rows)
    # Piped output is not cut to the width of a terminal that is not there.
    console = Console() if Console().is_terminal else Console(width=200)
    console.print(facts_table(store))
    console.print(class_table(store, matrix))
    layers = f"row {args.layer}" if args.layer else "mean over rows"
    console.print(f"\nCosine between classes ({layers}):", highlight=False)
    console.print(cosine_table(matrix, names))
    for a, b, value in close_pairs(matrix, names):
        console.print(f"hardly told apart: {safe(a)} and {safe(b)} ({value:.4f})", highlight=False)
    if args.picture:
        picture(matrix, names, f"{args.file.stem}: {store.meta.get('model', 'unknown model')}", args.picture)
        console.print(f"picture: {safe(args.picture)}", highlight=False)
    return 0


if __name__ == "__main__":
    run_command(main)
