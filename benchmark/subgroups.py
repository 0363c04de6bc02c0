"""How a run does on groups of its test images: python -m benchmark.subgroups RUN --table groups.csv [--columns site sex]

The table has a column of files, as data sets' tables do, and columns of groups (site, device, sex, age band, ...). Each metric
of each group is printed with its 95 % interval over the group's images (percentile bootstrap), and the largest gap between two
groups. Nothing is said of groups of fewer than 20 images.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath

import numpy as np

from datasets.prepare.tables import column, read_table
from toolbox.columns import table
from toolbox.command import program, run_command
from toolbox.errors import UserError
from toolbox.parser import Parser
from toolbox.run_files import Predictions, read_predictions, read_result
from toolbox.scores import SCORES
from toolbox.words import shown

FEWEST = 20
RESAMPLES = 1000
FILES = ("path", "file", "filename", "image", "image_path", "image_id", "image_name", "img", "image_index")
SHOWN = ("accuracy", "balanced_accuracy", "auc", "ece")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = Parser(prog=program("python -m benchmark.subgroups"), description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="output folder of a finished run")
    add("--table", type=Path, required=True, help="csv with a row a test image")
    add("--columns", nargs="+", default=[], help="columns of groups (default: all but the files')")
    add("--file-column", default="", help="the column of files, where it has no usual name")
    args = parser.parse_args(argv)
    result = read_result(args.run)
    kept = read_predictions(args.run, len(result["classnames"]), result.get("predictions"))
    if kept is None:
        raise UserError(f"{args.run} has no predictions.npz: run it again")
    rows = read_table(args.table)
    file = column(rows, args.table.name, *([args.file_column] if args.file_column else FILES))
    wanted = [column(rows, args.table.name, name) for name in args.columns] or [n for n in rows[0] if n and n != file]
    found = _rows_of(kept, rows, file, args.table)
    for name in wanted:
        lines = table_of(kept, result["classnames"], [row[name] for row in found], name).splitlines()
        print("\n".join(map(shown, lines)), end="\n\n")
    return 0


def _rows_of(kept: Predictions, rows: list[dict[str, str]], file: str, table: Path) -> list[dict[str, str]]:
    """The row of each test image: of the same path, or, where only one has it, the same name or stem.

    Raises:
        UserError: an image has no row or several.
    """
    named: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        path = PurePath(row[file])
        for name in {str(path), path.name, path.stem}:
            named[name].append(row)
    found, missing = [], []
    for path in map(PurePath, kept.paths.astype(str)):
        fits = next((named[name] for name in (str(path), path.name, path.stem) if named[name]), [])
        if len({id(row) for row in fits}) > 1:
            raise UserError(f"{table}: {len(fits)} rows are called {path.name!r}: write the paths as in the split")
        found += fits[:1]
        missing += [] if fits else [str(path)]
    if missing:
        raise UserError(
            f"{table} has no row for {len(missing)} of {len(kept.paths)} test images, first: {missing[0]!r}"
        )
    return found


def table_of(kept: Predictions, classnames: Sequence[str], groups: Sequence[str], name: str) -> str:
    """Metrics of each group with intervals, the largest gaps, and which groups nothing is said of."""
    places = {group: np.flatnonzero(np.array(groups) == group) for group in sorted(set(groups))}
    known = {group or "(none)": of for group, of in places.items() if len(of) >= FEWEST}
    small = [f"{group or '(none)'} ({len(of)})" for group, of in places.items() if len(of) < FEWEST]
    lines, values = [], defaultdict(dict)
    for group, of in known.items():
        cells = []
        for metric, (value, low, high) in _of(kept, classnames, of).items():
            values[metric][group] = value
            cells.append("-" if value is None else f"{value:.1f} ({low:.1f} to {high:.1f})")
        lines.append([group, str(len(of)), *cells])
    said = [f"{name}: {len(known)} groups of {FEWEST} images or more, with 95 % intervals"]
    said += [table(lines, [name, "images", *(SCORES[metric].title for metric in SHOWN)])] if lines else []
    said += [gap for metric in SHOWN if (gap := _gap(SCORES[metric].title, values[metric]))]
    said += [f"nothing is said of groups of fewer than {FEWEST}: {', '.join(small)}"] if small else []
    return "\n".join(said)


def _of(
    kept: Predictions, classnames: Sequence[str], places: np.ndarray
) -> dict[str, tuple[float | None, float, float]]:
    """Of these images each metric with its interval; all metrics draw the same images again, which are measured once."""
    from trainers.life.metrics import evaluate

    measured: dict[bytes, dict] = {}

    def metric(at: np.ndarray, name: str) -> float | None:
        drawn = at.tobytes()
        if drawn not in measured:
            found = evaluate(kept.logits[at], kept.labels[at], list(classnames))
            measured[drawn] = {name: found[name] for name in SHOWN}
        return measured[drawn][name]

    return {name: interval(lambda at, name=name: metric(at, name), places) for name in SHOWN}


def interval(metric: Callable[[np.ndarray], float | None], places: np.ndarray) -> tuple[float | None, float, float]:
    """The metric of these images, and its 95 % interval over images drawn from them again; None where it means nothing."""
    value, rng = metric(places), np.random.default_rng(0)
    drawn = (metric(rng.choice(places, len(places))) for _ in range(RESAMPLES if value is not None else 0))
    found = [one for one in drawn if one is not None]
    low, high = np.percentile(found, [2.5, 97.5]) if found else (float("nan"), float("nan"))
    return value, float(low), float(high)


def intervals(kept: Predictions, classnames: Sequence[str]) -> dict[str, tuple[float | None, float, float]]:
    """The same metrics of all test images: value and 95 % interval."""
    return _of(kept, classnames, np.arange(len(kept.labels)))


def _gap(title: str, values: Mapping[str, float | None]) -> str:
    found = {group: value for group, value in values.items() if value is not None}
    if len(found) < 2:
        return ""
    best, worst = max(found, key=found.__getitem__), min(found, key=found.__getitem__)
    ends = f"{best} {found[best]:.1f} and {worst} {found[worst]:.1f}"
    return f"{title}: largest gap {found[best] - found[worst]:.1f} points, {ends}"


if __name__ == "__main__":
    run_command(main)
