"""What a command line asks for, compared with what its output folder holds: before data loaders, model and training."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from dassl.engine import TRAINER_REGISTRY
from datasets.quotas import with_draw
from toolbox.names import safe_name
from toolbox.run_files import RESULT, read_result
from trainers.life import checkpoint, fingerprint, foreign

NOBODYS = "./output"  # Dassl's default; many runs would share it
EARLIER = "it was made by an earlier version, which did not write down its settings"


def expected(args: argparse.Namespace, cfg: CfgNode) -> dict[str, str]:
    """The fingerprint of the run that is asked for."""
    method = TRAINER_REGISTRY.get(cfg.TRAINER.NAME)
    weights = tested(args, getattr(method, "folder", ""), Path(cfg.OUTPUT_DIR)) if args.eval_only else None
    return fingerprint.of_settings(cfg, (weights or {}).get("sha256", ""), trained_in(args) if args.eval_only else None)


def compare(result: Mapping[str, Any], args: argparse.Namespace, cfg: CfgNode) -> list[str]:
    """How a finished run's settings differ from those asked for; empty where it is that run."""
    if "fingerprint" not in result:
        return [EARLIER]
    return fingerprint.differences(result["fingerprint"], expected(args, cfg))


def other_run(folder: Path, found: list[str], finished: bool) -> str:
    """The sentence for a folder that holds another run, or its checkpoint, than the one asked for."""
    what = "another run" if finished else "the checkpoint of another run"
    return (
        f"{folder} holds {what}: {fingerprint.say(found)}; give --again to move that folder to {folder.name}.before-N "
        "and run anew, or another output folder (--output-dir; OUTPUT or --output for many runs)"
    )


def trained_in(args: argparse.Namespace) -> Path | None:
    """Folder of the run whose weights are to be tested."""
    return Path(args.model_dir) if args.model_dir else None


def tested(args: argparse.Namespace, folder: str, output: Path) -> dict[str, Any] | None:
    """The weights to be tested: their run's folder, seen from the output folder so that both may move, epoch and SHA-256.

    `folder` is the one that the method's checkpoints lie in; "" for a trainer of another kind, whose are all taken.
    """
    if not args.model_dir:
        return None
    where = os.path.relpath(Path(args.model_dir).resolve(), output.resolve())
    folders = Path(args.model_dir), args.load_epoch
    sha256 = checkpoint.file_digest(folders[0], folder, folders[1]) if folder else foreign.weights_digest(*folders)
    return {"folder": where, "epoch": args.load_epoch, "sha256": sha256}


def config_name(file: str) -> str:
    """Name of a configuration: its file's stem, or, of a run's own, the name that run gave it."""
    path = Path(file)
    if path.name != RESULT:
        return path.stem
    return str(read_result(path.parent)["cfg"])


def with_own_folder(cfg: CfgNode, args: argparse.Namespace) -> CfgNode:
    """The configuration with an output folder of the run's own where none was named, in CoOp's layout."""
    if cfg.OUTPUT_DIR != NOBODYS:
        return cfg
    data = cfg.DATASET.FOLDER or cfg.DATASET.NAME.lower()
    few = with_draw(f"shots_{cfg.DATASET.NUM_SHOTS}", cfg.DATASET.DRAW)
    shots = "full" if cfg.DATASET.NUM_SHOTS < 1 else few
    parts = [data, cfg.DATASET.SUBSAMPLE_CLASSES, shots, cfg.TRAINER.NAME, config_name(args.config_file)]
    cfg = cfg.clone()
    cfg.defrost()
    cfg.OUTPUT_DIR = str(
        Path(NOBODYS, "eval" if args.eval_only else "train", *map(safe_name, parts), f"seed{cfg.SEED}")
    )
    cfg.freeze()
    return cfg
