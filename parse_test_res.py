"""Average a metric over the seeds of an experiment, with the arguments of CoOp's script of this name.

    python parse_test_res.py output/base2new/test_new/phantom/shots_16/CoOp/small_clip --test-log
    python parse_test_res.py output/few_shot/phantom/shots_16/CoOp --multi-exp

The directory holds seed1, seed2, ... (with --multi-exp: one such directory an experiment). A run's `result.json` is
read at full precision; where there is none, the last `=> result` block of its log.txt, which has one decimal.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.results import METRICS, Result, read_results
from toolbox.command import run_command
from toolbox.errors import UserError
from toolbox.parser import Parser
from toolbox.run_files import BEFORE


def seed_results(directory: Path, keyword: str) -> list[Result]:
    """The runs directly below `directory` that have the metric, or a reason why it means nothing, in the order of seeds.

    Raises UserError where there is no seed, or no seed has a result with the metric.
    """
    folders = [path for path in directory.glob("*") if path.is_dir() and re.search(r"\d+$", path.name)]
    folders = [path for path in folders if not BEFORE.search(path.name)]
    folders.sort(key=lambda path: int(re.search(r"\d+$", path.name)[0]))
    if not folders:
        raise UserError(f"{directory} holds no run folders such as seed1; for folders of such folders give --multi-exp")
    found = [r for r in read_results(folders, placed=False) if r.value(keyword) is not None or r.undefined(keyword)]
    if not found:
        raise UserError(
            f"no run in {directory} has finished with {keyword}: looked for result.json and `=> result` in log.txt"
        )
    return found


def summarise(directory: Path, keyword: str, ci95: bool) -> float | None:
    """Print each seed and the average with its spread (population standard deviation, or 1.96 standard errors).

    Returns the average of the seeds where the metric means something; None where it does nowhere.
    """
    results = seed_results(directory, keyword)
    for r in results:
        value = r.value(keyword)
        print(f"file: {r.folder}. {keyword}: " + (f"- ({r.undefined(keyword)})" if value is None else f"{value:.2f}%"))
    values = [value for r in results if (value := r.value(keyword)) is not None]
    print(f"===\nSummary of directory: {directory}")
    if not values:
        print(f"* {keyword}: -\n===")
        return None
    mean, spread = np.mean(values), np.std(values)
    if ci95:
        spread = 1.96 * spread / np.sqrt(len(values))
    print(f"* {keyword}: {mean:.2f}% +- {spread:.2f}%\n===")
    return float(mean)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = Parser(description=__doc__, raw=True)
    parser.add_argument("directory", type=Path, help="path to directory")
    parser.add_argument("--ci95", action="store_true", help="compute 95%% confidence interval")
    parser.add_argument("--test-log", action="store_true", help="for habit: training and test logs are read alike")
    parser.add_argument("--multi-exp", action="store_true", help="parse multiple experiments")
    parser.add_argument("--keyword", default="accuracy", choices=list(METRICS), help="which metric")
    args = parser.parse_args(argv)
    if not args.directory.is_dir():
        raise UserError(f"{args.directory} is not a folder")
    if not args.multi_exp:
        summarise(args.directory, args.keyword, args.ci95)
        return 0
    experiments = sorted(path for path in args.directory.glob("*") if path.is_dir())
    if not experiments:
        raise UserError(f"{args.directory} holds no experiments")
    found = [summarise(path, args.keyword, args.ci95) for path in experiments]
    means = [mean for mean in found if mean is not None]
    average = f"{np.mean(means):.2f}%" if means else "-"
    print(f"Average performance of {len(means)} experiments:\n* {args.keyword}: {average}")
    return 0


if __name__ == "__main__":
    run_command(main)
