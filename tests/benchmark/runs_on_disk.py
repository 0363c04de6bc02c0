"""Small finished runs for the tests, and a stand-in for train.py that makes them from its command line in milliseconds."""

import argparse
import json
import os
import time
import zlib
from pathlib import Path

import numpy as np

from toolbox.files import atomic_text
from toolbox.run_files import Predictions
from toolbox.seals import seal

CLASSES = 4
PER_CLASS = 10


def write_run(
    folder: Path, method: str = "CoOp", accuracy: float | None = None, predictions: bool = True, **changes
) -> dict:
    """Write result.json, log.txt and predictions.npz of a run; `accuracy` (0-1) fixes how many images it gets right."""
    seed, subset = changes.get("seed", 1), changes.get("subset", "all")
    rng = np.random.default_rng(zlib.crc32(f"{method} {seed} {subset}".encode()))
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    right = round((rng.uniform(0.3, 0.9) if accuracy is None else accuracy) * len(labels))
    predicted = np.where(rng.permutation(len(labels)) < right, labels, (labels + 1) % CLASSES)
    logits = np.eye(CLASSES, dtype=np.float32)[predicted] * 2
    percent = 100 * right / len(labels)
    names = [f"class {c}" for c in range(CLASSES)]
    metrics = {
        "accuracy": percent,
        "macro_f1": percent - 1,
        "auc": 50 + percent / 2,
        "kappa": percent - 10,
        "ece": 100 - percent,
        "per_class": {n: float(100 * (predicted == labels)[labels == c].mean()) for c, n in enumerate(names)},
        "confusion": np.histogram2d(labels, predicted, bins=CLASSES, range=[[0, CLASSES]] * 2)[0].astype(int).tolist(),
    }
    result = {
        "status": "finished",
        "method": method,
        "dataset": "phantom",
        "subset": subset,
        "shots": 16,
        "seed": seed,
        "cfg": "small_clip",
        "backbone": "small_clip",
        "backbone_hash": "b" * 64,
        "transform": "resize 64",
        "split": {"train": "t", "val": "v", "test": f"test {subset}", "fewshot": f"few {seed} {subset}"},
        "fingerprint": {"TRAINER.COOP.N_CTX": "4", "SEED": str(seed), "DATASET.SUBSAMPLE_CLASSES": subset},
        "classnames": names,
        "config": "",
        "metrics": metrics,
        "trainable_params": 2048,
        "time": {"train_s": 3.0, "step_ms": 12.5, "test_s": 1.0},
        "peak_memory_mb": 310.0,
        "synthetic": True,
        **changes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    if predictions:
        kept = Predictions(np.array([f"{i:03}.png" for i in range(len(labels))]), labels, logits)
        np.savez(folder / "predictions.npz", **vars(kept))
        result["predictions"] = kept.digest
    log = f"epoch [1/1]\nFinish training\n=> result\n* total: {len(labels)}\n* accuracy: {percent:.1f}%\n"
    (folder / "log.txt").write_text(log)
    (folder / "result.json").write_text(json.dumps(seal(result)))
    return result


def edit(folder: Path, **changes) -> None:
    """Change keys of a run's result.json and seal it again."""
    path = folder / "result.json"
    path.write_text(json.dumps(seal({**json.loads(path.read_text()), **changes})))


def differences(argv: list[str], result: dict) -> list[str]:
    """What `run` would write otherwise: backbone, shots, and the KEY VALUE pairs that a fingerprint is made of."""
    _, opts = _parsed(argv)
    wanted = {"backbone": opts["MODEL.BACKBONE.NAME"], "shots": int(opts["DATASET.NUM_SHOTS"])}
    found = [f"{key} was {result[key]!r} and is {value!r}" for key, value in wanted.items() if result[key] != value]
    return found + [f"OPTS was {result['opts']!r} and is {opts!r}"] * (result["opts"] != opts)


def _parsed(argv: list[str]) -> tuple[argparse.Namespace, dict[str, str]]:
    parser = argparse.ArgumentParser()
    for flag in ("root", "seed", "trainer", "dataset-config-file", "config-file", "output-dir", "model-dir"):
        parser.add_argument(f"--{flag}")
    for flag in ("eval-only", "again"):
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("opts", nargs=argparse.REMAINDER)
    args = parser.parse_args(argv)
    return args, dict(zip(args.opts[::2], args.opts[1::2], strict=True))


def run(argv: list[str]) -> None:
    """Do as train.py does: read the words, write the run. RUNS_FAIL names a method whose runs raise, RUNS_LOG a file
    that receives a line a call."""
    args, opts = _parsed(argv)
    if log := os.environ.get("RUNS_LOG"):
        with Path(log).open("a") as file:
            file.write(f"{args.output_dir}\n")
    if args.trainer == os.environ.get("RUNS_FAIL") and not args.model_dir:
        raise ValueError("loss is not a number")
    if args.model_dir and not (Path(args.model_dir) / "result.json").exists():
        raise FileNotFoundError(args.model_dir)
    if args.again and Path(args.output_dir).exists():
        Path(args.output_dir).rename(f"{args.output_dir}.before-1")
    print("epoch [1/2] batch [1/4] time 0.1 (0.1) data 0.0 (0.0) loss 1.2500 (1.2500) lr 2.0000e-03 eta 0:00:01")
    write_run(
        Path(args.output_dir),
        args.trainer,
        seed=int(args.seed),
        subset=opts["DATASET.SUBSAMPLE_CLASSES"],
        shots=int(opts["DATASET.NUM_SHOTS"]),
        backbone=opts["MODEL.BACKBONE.NAME"],
        dataset=Path(args.dataset_config_file).stem,
        opts=opts,
    )


def wait(argv: list[str]) -> None:
    """A run at work: writes its process's id into its folder and does not end."""
    folder = Path(argv[argv.index("--output-dir") + 1])
    atomic_text(folder / "pid", str(os.getpid()))
    time.sleep(600)


def interrupted(argv: list[str]) -> None:
    """A run at work, for the first time; when it is called again, it ends."""
    if (Path(argv[argv.index("--output-dir") + 1]) / "pid").exists():
        run(argv)
    else:
        wait(argv)


def grow(argv: list[str]) -> None:
    """A run at work that takes 2 GB, for the first time; when it is called again, it ends."""
    begun = Path(argv[argv.index("--output-dir") + 1]) / "pid"
    if not begun.exists():
        atomic_text(begun, str(os.getpid()))
        hoard = b"x" * (2 << 30)
        time.sleep(600)
        assert hoard
    run(argv)
