"""From arguments to a finished run in its output folder: skip, resume or start; one process a folder."""

import argparse
import contextlib
import errno
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

from dassl.engine import TRAINER_REGISTRY, TrainerBase, build_trainer
from toolbox.checkpoints import POINTER, load_checkpoint, pointed_file
from toolbox.errors import UserError
from toolbox.run_files import find_result
from trainers.base import PromptTrainer
from trainers.life import foreign
from trainers.life.config import setup_cfg
from trainers.life.distributed import by_first, is_first, process_group
from trainers.life.fingerprint import differences
from trainers.life.folder import alone_in, logged, remove_unfinished, set_aside
from trainers.life.header import console_of, header, summary
from trainers.life.request import compare, config_name, expected, other_run, tested, trained_in, with_own_folder
from trainers.life.tracking import tracked

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def start(args: argparse.Namespace) -> None:
    """Do the run that `args` (see train.py) describe, unless its results are there already.

    Raises:
        UserError: bad input, a run with other settings is in the output folder, or another process is at work there.
    """
    cfg = with_own_folder(setup_cfg(args), args)
    if not cfg.TRAINER.NAME:
        raise UserError("no method: give --trainer NAME, such as CILMP, CoOp or ZeroshotCLIP")
    folder = Path(cfg.OUTPUT_DIR)
    with _in_one_line(folder), process_group():
        if by_first(lambda: _is_there(folder, cfg, args)):
            return
        with console_of(args), _owned(folder, cfg), _scheduler_may_stop():
            _run(args, cfg)


def _run(args: argparse.Namespace, cfg: CfgNode) -> None:
    header(args, cfg)
    seed(cfg.SEED)
    trainer = _build(cfg, args)
    trainer.config_name = config_name(args.config_file)
    if isinstance(trainer, PromptTrainer):
        summary(trainer, args)
    recorder = None if isinstance(trainer, PromptTrainer) else foreign.Recorder(trainer)
    epoch = args.load_epoch if recorder is None else foreign.epoch_to_load(args.model_dir, args.load_epoch)
    if args.eval_only:
        trainer.load_model(args.model_dir, epoch=epoch)
        trainer.test()
    elif not args.no_train:
        trainer.train()
    if recorder is not None:
        weights = tested(args, "", Path(cfg.OUTPUT_DIR)) if args.eval_only else None
        recorder.write(weights, trained_in(args) if args.eval_only else None, trainer.config_name)


def _build(cfg: CfgNode, args: argparse.Namespace) -> TrainerBase:
    """The trainer; one that is to test what a run trained knows that run's folder from the first."""
    method = TRAINER_REGISTRY.get(cfg.TRAINER.NAME)
    if not issubclass(method, PromptTrainer) or not args.eval_only:
        return build_trainer(cfg)
    trainer = method.__new__(method)
    trainer.trained_in = trained_in(args)
    trainer.tested = tested(args, method.folder, Path(cfg.OUTPUT_DIR))
    trainer.__init__(cfg)
    return trainer


def _is_there(folder: Path, cfg: CfgNode, args: argparse.Namespace) -> bool:
    """Whether the run is finished. One with other settings, or a damaged result, is moved aside if --again asks for it.

    Raises:
        UserError: it does not ask; what differs is named.
    """
    try:
        kept = find_result(folder)
        found = None if kept is None else compare(kept, args, cfg)
        if kept is None and not args.eval_only:
            found = _other_checkpoint(folder, args, cfg)
        if found:
            raise UserError(other_run(folder, found, finished=kept is not None))
    except UserError:
        if not args.again:
            raise
        print(f"{folder} is now {set_aside(folder)}")
        return False
    if kept is not None:
        print(f"Results exist in {folder}: nothing to do (remove {folder / 'result.json'} to run again)")
    return kept is not None


def _other_checkpoint(folder: Path, args: argparse.Namespace, cfg: CfgNode) -> list[str]:
    """How the settings of the unfinished run in `folder`, if there is one, differ from those asked for."""
    for pointer in folder.glob(f"*/{POINTER}"):
        file = pointer.parent / pointed_file(pointer.parent)
        if file.is_file():
            extra = load_checkpoint(str(file)).get("extra")
            kept = dict(extra.get("identity") or {}) if isinstance(extra, dict) else {}
            kept.pop("precision", None)  # the device decides it; it is compared when the run goes on
            return differences(kept, expected(args, cfg)) if kept else []
    return []


@contextmanager
def _owned(folder: Path, cfg: CfgNode) -> Iterator[None]:
    """The output folder locked, cleared of unfinished files and with its log open; of several processes by the first."""
    if not is_first():
        with contextlib.redirect_stdout(io.StringIO()):
            yield
        return
    with alone_in(folder), logged(folder), tracked(cfg, folder):
        remove_unfinished(folder)
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
        where = error.filename if ours else folder / "log.txt"  # all others who write name their file
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
