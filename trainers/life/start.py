"""From arguments to a finished run in its output folder: skip, resume or start; one process a folder."""

import argparse
import contextlib
import errno
import fcntl
import io
import logging
import multiprocessing
import os
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
from trainers.life.config import setup_cfg
from trainers.life.distributed import is_first, process_group
from trainers.life.result import is_finished
from trainers.life.tracking import tracked

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
    with _in_one_line(folder), process_group(), _owned(folder, cfg), _scheduler_may_stop():
        _header(args, cfg)
        seed(cfg.SEED)
        trainer = build_trainer(cfg)
        trainer.config_name = Path(args.config_file).stem
        if args.eval_only:
            if args.model_dir:
                trainer.tested = {"folder": str(Path(args.model_dir).absolute()), "epoch": args.load_epoch}
            trainer.load_model(args.model_dir, epoch=args.load_epoch)
            trainer.test()
        elif not args.no_train:
            trainer.train()


@contextmanager
def _owned(folder: Path, cfg: CfgNode) -> Iterator[None]:
    """The output folder locked, cleared of unfinished files and with its log open; of several processes by the first."""
    if not is_first():
        with contextlib.redirect_stdout(io.StringIO()):
            yield
        return
    with _alone_in(folder), _logged(folder), tracked(cfg, folder):
        _remove_unfinished(folder)
        yield


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
def _in_one_line(folder: Path) -> Iterator[None]:
    """What stops a run and is no fault of the program, as one line."""
    again = "start the same command again to go on from the last checkpoint"
    # torch logs a traceback where the death of a loading process is noticed in the middle of an import of its profiler.
    logging.getLogger("torch.autograd.profiler").setLevel(logging.ERROR)
    try:
        yield
    except torch.OutOfMemoryError as error:
        first = str(error).partition(". ")[0]
        raise UserError(f"{first}; lower DATALOADER.TRAIN_X.BATCH_SIZE or DATALOADER.TEST.BATCH_SIZE") from error
    except OSError as error:
        ours = error.filename is not None and Path(os.fsdecode(error.filename)).is_relative_to(folder)
        if error.errno not in FULL and not ours:
            raise
        where = error.filename if ours else folder
        raise UserError(f"cannot write {where}: {os.strerror(error.errno)}; mend that, then {again}") from error
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        sys.unraisablehook = lambda _: None  # threads that were about to feed that process would complain
        raise UserError(
            f"a process that loads images for {folder} was killed (no memory left?); {again}, "
            "with a smaller DATALOADER.NUM_WORKERS if it happens again"
        ) from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. It is the process's own, not the open file's: processes that load images do not inherit it,
    and so cannot keep it when the run is killed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(
                f"another process is at work in {folder}; wait for it or choose another --output-dir"
            ) from error
        yield


def _remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of an attempt that was killed while it wrote."""
    for part in folder.rglob(".*.part"):
        part.unlink(missing_ok=True)


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
    ours, asked = os.getpid(), False

    def stop(*_) -> NoReturn:
        nonlocal asked
        if os.getpid() != ours:  # a process that loads images has inherited this handler
            os._exit(128 + signal.SIGTERM)
        # A scheduler may have stopped the loading processes too; torch would raise its own error for that.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if not asked:
            sys.unraisablehook = lambda _: None
            print("SIGTERM: stopping; start the same command again to go on from the last checkpoint", file=sys.stderr)
            # Where it is raised the exception may be swallowed, as in a destructor; then it is raised again.
            signal.signal(signal.SIGALRM, stop)
            signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)
            for process in multiprocessing.active_children():  # they load images; left alone they would complain
                process.kill()
        asked = True
        raise SystemExit(128 + signal.SIGTERM)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread, which alone may handle signals
        yield
        return
    try:
        yield
        if asked:
            raise SystemExit(128 + signal.SIGTERM)
    except Exception as error:
        if asked:  # whatever else came of stopping, such as torch's complaint about the loading processes
            raise SystemExit(128 + signal.SIGTERM) from error
        raise
    finally:
        if asked:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGTERM, before)
