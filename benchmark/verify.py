"""Test a run's weights again and compare with the results it left: python -m benchmark.verify RUN [--root DATA].

RUN is a folder with result.json. The run's own configuration, data, rows and backbone are used; whatever differs from
what the run recorded is named. Exit code 0: the same; 1: something differs; 2: bad input.
"""

import argparse
import contextlib
import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from toolbox.command import run_command
from toolbox.errors import UserError
from toolbox.files import atomic_text
from toolbox.seals import KEY, check_seal

LOGITS = 1e-3
"""Largest difference of logits between machines; on one machine there is none."""

RECORDED = ("method", "backbone_hash", "precision", "rows", "classnames", "transform")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.verify", description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--root", default="", help="the data folder, where it is not where it was")
    parser.add_argument("--model-dir", default="", help="folder of the trained run, where it is not where it was")
    parser.add_argument("--plugin", action="append", default=[], help="as for train.py")
    args = parser.parse_args(argv)
    kept = read(args.run)
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        words = command(kept, args.run, Path(folder), args.root, args.model_dir)
        words += [word for file in args.plugin for word in ("--plugin", file)]
        evaluate(words)
        found = differences(kept, read(Path(folder) / "out"), args.run, Path(folder) / "out")
    accuracy = kept["metrics"]["accuracy"]
    if KEY not in kept:
        print(f"note: {args.run / 'result.json'} has no seal, so edits of it by hand would not be seen")
    if found:
        print(f"{args.run}: NOT the same\n" + "\n".join(f"  {line}" for line in found))
        return 1
    print(f"{args.run}: the same; accuracy {accuracy:.2f}, tested again from its weights")
    return 0


def read(folder: Path) -> dict[str, Any]:
    """result.json in `folder`. Raises UserError if it is missing, damaged or of an unfinished run."""
    path = folder / "result.json"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no {path}: name the folder of a finished run") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({error}); remove it and run again") from error
    if not isinstance(value, dict) or not {"status", "config", "metrics", "split"} <= value.keys():
        raise UserError(f"{path} is not the result of a run of this project")
    check_seal(value, path, "the run cannot be verified")
    return value


def command(kept: Mapping[str, Any], run: Path, folder: Path, root: str = "", model_dir: str = "") -> list[str]:
    """Words for train.py that test the weights of `run` into `folder`/out."""
    config = folder / "config.yaml"
    atomic_text(config, kept["config"])
    weights = kept.get("weights") or {}
    best = yaml.safe_load(kept["config"])["TEST"]["FINAL_MODEL"] == "best_val"
    epoch = weights.get("epoch") if weights else None if best else kept.get("epochs") or None
    words = ["--config-file", str(config), "--output-dir", str(folder / "out"), "--eval-only"]
    words += ["--model-dir", model_dir or weights.get("folder") or str(run)]
    words += ["--load-epoch", str(epoch)] if epoch else []
    return words + (["--root", root] if root else [])


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
    found += _logits(run / "predictions.npz", out / "predictions.npz")
    for name, value in kept["metrics"].items():
        other = again["metrics"].get(name)
        if isinstance(value, float) and not np.isclose(value, other, rtol=0, atol=0.01, equal_nan=True):
            found.append(f"{name} was {value:.4f} and is {other:.4f}")
    return found


def _logits(kept: Path, again: Path) -> list[str]:
    if not kept.is_file():
        return [f"{kept} is missing, so only metrics were compared"]
    try:
        with np.load(kept, allow_pickle=False) as a, np.load(again, allow_pickle=False) as b:
            one, two = dict(a), dict(b)
        if not np.array_equal(one["labels"], two["labels"]) or one["logits"].shape != two["logits"].shape:
            return ["labels of the test images differ"]
        largest = float(np.abs(one["logits"] - two["logits"]).max())
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UserError(f"{kept} cannot be read ({error}); the run cannot be verified") from error
    return [f"logits differ by up to {largest:.2g}"] if not largest <= LOGITS else []


if __name__ == "__main__":
    run_command(main)
