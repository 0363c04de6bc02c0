"""What a finished run leaves behind for tables and for anyone who checks it: result.json and predictions.npz."""

import platform
import resource
import shlex
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from yacs.config import CfgNode

import toolbox
from datasets.quotas import COOP
from datasets.reading import Reading
from llm.used import keep_rows
from toolbox.files import atomic_json, atomic_path
from toolbox.run_files import PREDICTIONS, RESULT, Predictions
from toolbox.seals import seal
from toolbox.version import VERSION
from trainers.life.run import Run
from trainers.life.seen import keep_seen

PACKAGES = ("torch", "torchvision", "open_clip_torch", "transformers", "numpy", "scikit-learn", "safetensors")


def write(trainer: Run, scores: dict, logits: np.ndarray, labels: np.ndarray, paths: list, seconds: float) -> None:
    """Write predictions.npz and the rows used, then result.json, which makes the run a finished one."""
    folder, cfg, dataset = Path(trainer.output_dir), trainer.cfg, trainer.dm.dataset
    predictions = Predictions(np.array([_relative(p, cfg.DATASET.ROOT) for p in paths]), labels, logits)
    with atomic_path(folder / PREDICTIONS) as part, part.open("wb") as file:
        np.savez_compressed(file, **vars(predictions))
    if used := getattr(trainer, "rows_used", None):
        keep_rows(folder, dataset.classnames, used)
    if (getattr(trainer, "tested", None) or {}).get("folder", ".") == ".":
        keep_seen(trainer)
    clip = trainer.model.clip
    steps = sorted(trainer.step_seconds)
    value = {
        "status": "finished",
        "version": VERSION,
        "method": cfg.TRAINER.NAME,
        "dataset": getattr(dataset, "name", cfg.DATASET.NAME.lower()),
        "subset": cfg.DATASET.SUBSAMPLE_CLASSES,
        "shots": cfg.DATASET.NUM_SHOTS,
        "draw": cfg.DATASET.get("DRAW", COOP),
        "seed": cfg.SEED,
        "cfg": getattr(trainer, "config_name", "default"),
        "backbone": clip.name,
        "backbone_hash": clip.weights_hash,
        "transform": ", ".join(
            [
                f"{clip.image_size} px, {cfg.INPUT.INTERPOLATION}, mean {clip.mean}, std {clip.std}",
                *Reading.of(cfg).said(),
            ]
        ),
        "split": getattr(dataset, "split_id", {}),
        "rows": getattr(trainer, "rows_id", None),
        "weights": getattr(trainer, "tested", None),
        "class_text": cfg.DATASET.get("CLASS_TEXT", "name"),
        "fingerprint": seal(trainer.fingerprint),
        "predictions": predictions.digest,
        "classnames": list(dataset.classnames),
        "templates": list(getattr(dataset, "templates", [])),
        "metrics": scores,
        "trainable_params": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "time": {
            "train_s": trainer.train_seconds() - seconds if trainer.trains else 0.0,
            "step_ms": 1000 * steps[len(steps) // 2] if steps else None,
            "test_s": seconds,
            "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "starts": trainer.starts,
        },
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "epochs": getattr(trainer, "max_epoch", 0),
        "overflows": trainer.precision.overflows,
        "precision": trainer.precision.name,
        "versions": {"python": platform.python_version(), **_versions()},
        "hardware": _hardware(trainer.device),
        "host": toolbox.host(),
        "command": shlex.join(sys.argv),
        "git": _git(),
        "config": _own_part(trainer).dump(),
        "synthetic": bool(getattr(dataset, "synthetic", False)),
    }
    atomic_json(folder / RESULT, seal(value))
    print(f"Results: {folder / RESULT}")


def _own_part(trainer: Run) -> CfgNode:
    """The configuration without the sections of other methods, some of which a later process may not know."""
    cfg = trainer.cfg.clone()
    if not trainer.section:  # a trainer of another kind reads what it likes
        return cfg
    cfg.defrost()
    cfg.TRAINER = CfgNode({"NAME": cfg.TRAINER.NAME, trainer.section: trainer.options.clone()})
    return cfg


def _relative(path: str, root: str) -> str:
    path, root = Path(path), Path(root).expanduser().absolute()
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _hardware(device: torch.device) -> str:
    cpu = f"{_cpu_model()}, {torch.get_num_threads()} threads"
    if device.type != "cuda":
        return cpu
    return f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}; {cpu}"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _git() -> dict | None:
    """Commit of the code and whether it was changed since; None outside a checkout."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return None
