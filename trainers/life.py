"""From arguments to a finished run in its output folder: skip, resume or start; one process a folder."""

import argparse
import fcntl
import random
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from yacs.config import CfgNode

import toolbox
from dassl.engine import build_trainer
from dassl.utils import setup_logger
from toolbox.errors import UserError
from trainers.config import setup_cfg
from trainers.result import is_finished


def start(args: argparse.Namespace) -> None:
    """Do the run that `args` (see train.py) describe, unless its results are there already.

    Raises:
        UserError: bad input, or another process is at work in the output folder.
    """
    cfg = setup_cfg(args)
    if not cfg.TRAINER.NAME:
        raise UserError("no method: give --trainer NAME, such as CILMP, CoOp or ZeroshotCLIP")
    folder = Path(cfg.OUTPUT_DIR)
    if is_finished(folder):
        print(f"Results exist in {folder}: nothing to do (remove {folder / 'result.json'} to run again)")
        return
    with _alone_in(folder), _logged(folder), _scheduler_may_stop():
        _header(args, cfg)
        seed(cfg.SEED)
        trainer = build_trainer(cfg)
        trainer.config_name = Path(args.config_file).stem
        if args.eval_only:
            trainer.load_model(args.model_dir, epoch=args.load_epoch)
            trainer.test()
        elif not args.no_train:
            trainer.train()


def seed(value: int) -> None:
    """Fix every source of random numbers; a negative value fixes none."""
    if value < 0:
        return
    print(f"Setting fixed seed: {value}")
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)
    torch.backends.cudnn.benchmark = False


def _header(args: argparse.Namespace, cfg: CfgNode) -> None:
    print("***************\n** Arguments **\n***************")
    print("\n".join(f"{key}: {value}" for key, value in sorted(vars(args).items())))
    print("************\n** Config **\n************")
    print(cfg)
    print(f"Host: {toolbox.host()}; torch {torch.__version__}")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                f"another process is at work in {folder}; wait for it or choose another --output-dir"
            ) from error
        yield


@contextmanager
def _logged(folder: Path) -> Iterator[None]:
    """Everything printed also goes to log.txt; the log of an attempt that did not finish is kept beside it."""
    log = folder / "log.txt"
    if log.exists():
        earlier = len(list(folder.glob("log-interrupted-*.txt")))
        log.rename(folder / f"log-interrupted-{earlier + 1}.txt")
    screen = sys.stdout
    setup_logger(str(log))
    try:
        yield
    finally:
        logger, sys.stdout = sys.stdout, screen
        logger.file.close()


@contextmanager
def _scheduler_may_stop() -> Iterator[None]:
    """SIGTERM ends the run with exit code 143; the last epoch's checkpoint is on disk, and the next start goes on from it."""

    def stop(*_) -> NoReturn:
        print("SIGTERM: stopping; start the same command again to go on from the last checkpoint", file=sys.stderr)
        raise SystemExit(143)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread, which alone may handle signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
