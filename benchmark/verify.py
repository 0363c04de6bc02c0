"""Test a run's checkpoint again and compare with what it reported: python -m benchmark.verify RUN [RUN ...]

The configuration is the one kept in `result.json`, the weights are the run's own (of a run that only tested: those of
the folder it names). Exit code 0: the same; 1: a figure, a prediction or an input differs; 2: it cannot be tested.
"""

import argparse
import importlib
import json
import re
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np

from benchmark.execute import RUNNER
from benchmark.jobs import UNTRAINED
from benchmark.results import METRICS, Result, read_predictions, read_results
from toolbox.command import run_command
from toolbox.errors import UserError

LOGIT_TOLERANCE = 1e-3
"""Logits (of a scale of 1-100) may differ so much between machines: sums are taken in another order."""


def verify(folder: Path, extra: Sequence[str] = (), runner: str = RUNNER) -> list[str]:
    """What differs between the run's report and a new test, a sentence each; `extra` are further words for train.py.

    Raises UserError where the run is not finished or its weights or data are missing.
    """
    if not (folder / "result.json").is_file():
        raise UserError(f"{folder} has no result.json: name the folder of a finished run")
    (reported,) = read_results([folder])
    module, _, function = runner.partition(":")
    with tempfile.TemporaryDirectory() as temporary:
        again = Path(temporary) / "again"
        with redirect_stdout(StringIO()):
            getattr(importlib.import_module(module), function)(_words(folder, reported, Path(temporary), extra))
        (found,) = read_results([again])
        return compare(reported, found)


def _words(folder: Path, reported: Result, temporary: Path, extra: Sequence[str]) -> list[str]:
    """The command line of train.py that tests the run again and writes below `temporary`."""
    config = temporary / f"{reported.cfg}.yaml"
    config.write_text(json.loads((folder / "result.json").read_text(encoding="utf-8"))["config"], encoding="utf-8")
    words = ["--trainer", reported.method, "--seed", str(reported.seed), "--config-file", str(config)]
    words += ["--output-dir", str(temporary / "again"), "--eval-only"]
    if reported.method not in UNTRAINED:
        words += ["--model-dir", str(_weights(folder))]
    return [*words, *extra]


def _weights(folder: Path) -> Path:
    """The folder whose checkpoint the run tested: its own, or the one its log's header names as model_dir."""
    log = folder / "log.txt"
    named = re.search(r"^model_dir: (.+)$", log.read_text(encoding="utf-8"), re.MULTILINE) if log.is_file() else None
    return Path(named[1].strip()) if named and named[1].strip() else folder


def compare(reported: Result, found: Result) -> list[str]:
    """Sentences on inputs, predictions and metrics that differ."""
    differences = []
    for what, ours, theirs in (
        ("test split", reported.split.get("test"), found.split.get("test")),
        ("backbone weights", reported.backbone_hash, found.backbone_hash),
        ("test transform", reported.transform, found.transform),
        ("class names", reported.classnames, found.classnames),
    ):
        if ours != theirs:
            differences.append(f"{what}: reported {ours}, now {theirs}")
    before, now = read_predictions(reported), read_predictions(found)
    if before is not None and now is not None:
        if not np.array_equal(before.paths, now.paths) or before.logits.shape != now.logits.shape:
            differences.append("predictions are of other images or classes")
        elif (largest := float(np.abs(before.logits - now.logits).max())) > LOGIT_TOLERANCE:
            differences.append(f"logits differ by up to {largest:.3g}")
    for metric in METRICS:
        ours, theirs = reported.value(metric), found.value(metric)
        if ours is not None and (theirs is None or abs(ours - theirs) > LOGIT_TOLERANCE):
            differences.append(f"{metric}: reported {ours:.4f}, now {'none' if theirs is None else f'{theirs:.4f}'}")
    return differences


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs")
    parser.add_argument("--root", help="the data folder, if it has moved")
    parser.add_argument(
        "--plugin", action="append", default=[], help="Python file that registers the run's method or data set"
    )
    parser.add_argument("--runner", default=RUNNER, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    extra = [word for plugin in args.plugin for word in ("--plugin", plugin)] + (
        ["--root", args.root] if args.root else []
    )
    failed = 0
    for run in args.runs:
        differences = verify(run, extra, args.runner)
        failed += bool(differences)
        print(f"{run}: " + ("; ".join(differences) if differences else "the same"))
    return 1 if failed else 0


if __name__ == "__main__":
    run_command(main)
