"""What prediction sets of finished runs would be worth: python -m benchmark.coverage FOLDER ... [--coverage 0.9]

From predictions.npz alone: the test part of each run is divided into halves 20 times, one to calibrate and one to measure.
A row a method: coverage, classes a set, the mean gap of a class's coverage from the wanted one, the worst class, and how many
divisions lie within the band in which exact coverage is found 95 times of 100 (beta-binomial: of 16 images that is wide).
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.results import Result, read_predictions, read_results
from toolbox.columns import table
from toolbox.command import program, run_command
from toolbox.conformal import SCORES, fewest, measures, probabilities, rank, scores, sets, threshold
from toolbox.errors import UserError
from toolbox.parser import Parser

SPLITS = 20
BAND = 0.95
HEADS = ("method", "score", "coverage", "classes a set", "empty", "class gap", "worst class", "within the band")
SHOWN = ("coverage", "size", "empty", "gap", "worst")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = Parser(prog=program("python -m benchmark.coverage"), description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("folders", nargs="+", type=Path, metavar="FOLDER", help="folders with finished runs below them")
    add("--coverage", type=float, nargs="+", default=[0.9], help="shares of images whose set is to hold the true class")
    add("--splits", type=int, default=SPLITS, help="divisions of each test part")
    args = parser.parse_args(argv)
    if not all(0 < coverage < 1 for coverage in args.coverage) or args.splits < 1:
        raise UserError("give --coverage shares between 0 and 1, and --splits 1 or more")
    groups: dict[tuple, list[Result]] = defaultdict(list)
    for result in read_results(args.folders):
        groups[result.dataset, result.subset, result.shots, result.method, result.variant].append(result)
    for coverage in args.coverage:
        for (dataset, subset, shots), rows in _tables(groups, coverage, args.splits).items():
            images = "the whole training set" if shots == -1 else f"{shots} shots"
            print(f"{dataset} ({subset}), {images}: coverage {coverage:g}, {args.splits} divisions a run, in percent")
            print(table(rows, HEADS), end="\n\n")
    return 0


def _tables(groups: dict[tuple, list[Result]], coverage: float, splits: int) -> dict[tuple, list[list[str]]]:
    tables: dict[tuple, list[list[str]]] = defaultdict(list)
    for (dataset, subset, shots, method, variant), runs in groups.items():
        name = method if variant == runs[0].cfg else f"{method} ({variant})"
        for kind in SCORES:
            found = [divided(*_kept(run), kind, coverage, splits, run.seed) for run in runs]
            means = {key: np.mean([[one[key] for one in of_run] for of_run in found]) for key in (*SHOWN, "within")}
            percent = [f"{means[key] if key == 'size' else 100 * means[key]:.2f}" for key in SHOWN]
            inside = f"{round(means['within'] * splits * len(runs))} of {splits * len(runs)}"
            tables[dataset, subset, shots].append([name, kind.upper(), *percent, inside])
    return tables


def _kept(run: Result) -> tuple[np.ndarray, np.ndarray]:
    kept = read_predictions(run)
    if kept is None:
        raise UserError(f"{run.folder} has no predictions.npz: run it again")
    return kept.logits, kept.labels


def divided(
    logits: np.ndarray, labels: np.ndarray, kind: str, coverage: float, splits: int, seed: int
) -> list[dict[str, float]]:
    """What sets are worth in each of `splits` random divisions into halves, by randomised scores; see `conformal.measures`.

    `within` is 1 where the coverage lies in its exact band.

    Raises:
        UserError: half of the images are too few to calibrate.
    """
    from scipy.stats import betabinom  # only now: this takes half a second

    half = len(labels) // 2
    if half < fewest(coverage):
        raise UserError(
            f"half of {len(labels)} test images are too few for a coverage of {coverage}: it takes {fewest(coverage)}"
        )
    rng, found, k = np.random.default_rng(seed), [], rank(half, coverage)
    for _ in range(splits):
        order, u = rng.permutation(len(labels)), rng.random(len(labels))
        r, first, rest = scores(probabilities(logits), kind, u), order[:half], order[half:]
        members = sets(r[rest], threshold(r[first, labels[first]], coverage))
        low, high = betabinom.interval(BAND, len(rest), k, half + 1 - k)
        one = measures(members, labels[rest], coverage)
        hits = round(one["coverage"] * len(rest))
        found.append({**one, "within": float(low <= hits <= high)})
    return found


if __name__ == "__main__":
    run_command(main)
