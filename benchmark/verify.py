"""Test a run's weights again and compare with the results it left: python -m benchmark.verify RUN [--root DATA].

RUN is a folder with result.json. The run's own configuration, data, rows and backbone are used; whatever differs from
what the run recorded is named. Exit code 0: the same; 1: something differs; 2: bad input.
"""

import contextlib
import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llm.used import FILE
from toolbox.command import program, run_command
from toolbox.parser import Parser
from toolbox.run_files import PREDICTIONS, RESULT, read_predictions, read_result
from toolbox.seals import KEY

LOGITS = 1e-3
"""Largest difference of logits between machines; on one machine there is none."""

RECORDED = ("method", "backbone_hash", "precision", "rows", "classnames", "transform")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = Parser(prog=program("python -m benchmark.verify"), description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--root", default="", help="the data folder, where it is not where it was")
    parser.add_argument("--model-dir", default="", help="folder of the trained run, where it is not where it was")
    for flag in ("--plugin", "--plugin-config"):
        parser.add_argument(flag, action="append", default=[], help="as for train.py")
    args = parser.parse_args(argv)
    kept = read_result(args.run)
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        words = command(kept, args.run, Path(folder), args.root, args.model_dir)
        words[:0] = [word for file in args.plugin for word in ("--plugin", file)]
        words[:0] = [word for file in args.plugin_config for word in ("--plugin-config", file)]
        evaluate(words)
        found = differences(kept, read_result(Path(folder) / "out"), args.run, Path(folder) / "out")
    accuracy = kept["metrics"]["accuracy"]
    if KEY not in kept:
        print(f"note: {args.run / 'result.json'} has no seal, so edits of it by hand would not be seen")
    if found:
        print(f"{args.run}: NOT the same\n" + "\n".join(f"  {line}" for line in found))
        return 1
    print(f"{args.run}: the same; accuracy {accuracy:.2f}, tested again from its weights")
    return 0


def command(kept: Mapping[str, Any], run: Path, folder: Path, root: str = "", model_dir: str = "") -> list[str]:
    """Words for train.py that test the weights of `run` into `folder`/out."""
    weights = kept.get("weights") or {}
    best = "FINAL_MODEL: best_val" in kept["config"]
    epoch = weights.get("epoch") if weights else None if best else kept.get("epochs") or None
    trained = Path(model_dir) if model_dir else run / weights.get("folder", ".")
    words = ["--config-file", str(run / RESULT), "--output-dir", str(folder / "out"), "--eval-only"]
    words += ["--model-dir", str(trained)]
    words += ["--load-epoch", str(epoch)] if epoch else []
    words += ["--root", root] if root else []
    own = run / FILE  # of a run that only tested: rows of classes that the trained run did not have
    return words + (["TRAINER.CILMP.ROWS_FILE", str(own)] if own.is_file() else [])


def evaluate(words: list[str]) -> None:
    """Run train.py's evaluation in this process, its log kept from the screen."""
    from train import run

    with contextlib.redirect_stdout(io.StringIO()):
        run(words)


def differences(kept: Mapping[str, Any], again: Mapping[str, Any], run: Path, out: Path) -> list[str]:
    """What the second evaluation (in `out`) has otherwise than the first (in `run`), a line each."""
    found = [
        f"{key} was {kept[key]!r} and is {again.get(key)!r}"
        for key in RECORDED
        if key in kept and kept[key] != again.get(key)
    ]
    if kept["split"].get("test") != again["split"].get("test"):
        found.append("the test images or their labels are others than the run was tested on")
    found += _logits(kept, again, run, out)
    for name, value in kept["metrics"].items():
        other = again["metrics"].get(name)
        if isinstance(value, float) and not np.isclose(value, other, rtol=0, atol=0.01, equal_nan=True):
            found.append(f"{name} was {value:.4f} and is {other:.4f}")
    return found


def _logits(kept: Mapping[str, Any], again: Mapping[str, Any], run: Path, out: Path) -> list[str]:
    one, two = (
        read_predictions(folder, len(result["classnames"]), result.get("predictions"))
        for folder, result in ((run, kept), (out, again))
    )
    if one is None:
        return [f"{run / PREDICTIONS} is missing, so only metrics were compared"]
    if not np.array_equal(one.labels, two.labels) or one.logits.shape != two.logits.shape:
        return ["labels of the test images differ"]
    largest = float(np.abs(one.logits - two.logits).max())
    return [f"logits differ by up to {largest:.2g}"] if not largest <= LOGITS else []


if __name__ == "__main__":
    run_command(main)
