"""What a finished run leaves behind for tables and for anyone who checks it: result.json and predictions.npz."""

import json
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
from datasets.reading import Reading
from toolbox.errors import UserError
from toolbox.files import atomic_json, atomic_path
from toolbox.seals import check_seal, seal
from trainers.life.run import Run

PACKAGES = ("torch", "torchvision", "open_clip_torch", "transformers", "numpy", "scikit-learn", "safetensors")


def is_finished(folder: Path) -> bool:
    """Whether a run in `folder` left its results.

    Raises:
        UserError: it did, but they are not those that were written.
    """
    path = folder / "result.json"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}); remove it and run again") from error
    if not isinstance(value, dict) or value.get("status") != "finished":
        raise UserError(f"{path} is not a result of this program, or damaged; remove it and run again")
    check_seal(value, path, "remove it and run again")
    return True


def write(trainer: Run, scores: dict, logits: np.ndarray, labels: np.ndarray, paths: list, seconds: float) -> None:
    """Write predictions.npz, then result.json, which makes the run a finished one."""
    folder, cfg, dataset = Path(trainer.output_dir), trainer.cfg, trainer.dm.dataset
    with atomic_path(folder / "predictions.npz") as part, part.open("wb") as file:
        np.savez_compressed(
            file, paths=np.array([_relative(p, cfg.DATASET.ROOT) for p in paths]), labels=labels, logits=logits
        )
    clip = trainer.model.clip
    steps = sorted(trainer.step_seconds)
    value = {
        "status": "finished",
        "method": type(trainer).__name__,
        "dataset": getattr(dataset, "name", cfg.DATASET.NAME.lower()),
        "subset": cfg.DATASET.SUBSAMPLE_CLASSES,
        "shots": cfg.DATASET.NUM_SHOTS,
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
    atomic_json(folder / "result.json", seal(value))
    print(f"Results: {folder / 'result.json'}")


def _own_part(trainer: Run) -> CfgNode:
    """The configuration without the sections of other methods, some of which a later process may not know."""
    cfg = trainer.cfg.clone()
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
