"""What a run says of itself: on the console ten lines, in log.txt and with --verbose everything, with --quiet its results."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

import toolbox
from toolbox.files import atomic_text
from trainers.life.run import Run

CONFIG = "config.yaml"
SETUP = (
    "Setting fixed seed",
    "Loading trainer",
    "Loading dataset",
    "Loading evaluator",
    "Reading split",
    "Drawing ",
    "Split identity",
    "Transform for",
    "Templates:",
    "Backbone:",
    "Trained parameters:",
    "Building model",
    "No checkpoint found",
    "Initialize tensorboard",
    "-----",
    "Dataset ",
    "# ",
)
"""Lines of a start that the ten lines say shorter; whatever else is printed there, such as a warning, is shown."""
RESULTS = ("=> ", "* ", "Results: ", "Results exist", "error")


class Console:
    """A console that leaves lines out: while it is `shut` all of them, else by `level`."""

    def __init__(self, console: Any, level: str) -> None:
        self.console, self.level, self.shut, self._rest = console, level, False, ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["console"], name)

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if not self.shut and self._shows(line):
                self.console.write(f"{line}\n")
        return len(text)

    def flush(self) -> None:
        self.console.flush()

    def _shows(self, line: str) -> bool:
        if self.level == "quiet":
            return line.startswith(RESULTS)
        return not line.startswith(SETUP)


@contextmanager
def console_of(args: argparse.Namespace) -> Iterator[None]:
    """The console shows what --verbose or --quiet ask for; log.txt, which copies what is printed, has all of it."""
    if args.verbose:
        yield
        return
    screen = sys.stdout
    sys.stdout = Console(screen, "quiet" if args.quiet else "usual")
    try:
        yield
    finally:
        sys.stdout = screen


@contextmanager
def _log_only() -> Iterator[None]:
    console = getattr(sys.stdout, "console", None)
    if not isinstance(console, Console):
        yield
        return
    console.shut = True
    try:
        yield
    finally:
        console.shut = False


def header(args: argparse.Namespace, cfg: CfgNode) -> None:
    """Arguments and configuration, without the sections of other methods, into the log; all of it into config.yaml."""
    with contextlib.suppress(OSError):  # the disk's state is told by what must be written
        atomic_text(Path(cfg.OUTPUT_DIR) / CONFIG, cfg.dump())
    with _log_only():
        print("***************\n** Arguments **\n***************")
        print("\n".join(f"{key}: {value}" for key, value in sorted(vars(args).items())))
        print("************\n** Config **\n************")
        print(_own(cfg))
        print(f"Host: {toolbox.host()}; torch {torch.__version__}")


def _own(cfg: CfgNode) -> CfgNode:
    """The configuration with the method's own section alone, where the method is one of this project's family."""
    from trainers.life.config import methods

    sections = {method.section for method in methods()}
    own = next((method.section for method in methods() if method.__name__ == cfg.TRAINER.NAME), None)
    found = cfg.clone()
    found.defrost()
    for section in sections - {own} if own else ():
        found.TRAINER.pop(section, None)
    return found


def summary(run: Run, args: argparse.Namespace) -> None:
    """What the run is about to do, in a few lines."""
    cfg, data = run.cfg, run.dm.dataset
    shots = f"{cfg.DATASET.NUM_SHOTS} images a class" if cfg.DATASET.NUM_SHOTS > 0 else "all images"
    parts = ", ".join(f"{len(items or [])} {name}" for name, items in (("train", data.train_x), ("val", data.val)))
    trained = sum(p.numel() for p in run.model.parameters())
    name, subset = getattr(data, "name", cfg.DATASET.NAME), cfg.DATASET.SUBSAMPLE_CLASSES
    lines = {
        "Method": f"{cfg.TRAINER.NAME} ({args.config_file})",
        "Data": f"{name}, {len(data.classnames)} classes ({subset}), {shots}, seed {cfg.SEED}",
        "Images": f"{parts}, {len(data.test)} test",
        "CLIP": f"{run.model.clip.name}, {run.precision.name}",
        "Trains": f"{trained:,} parameters" if trained else "nothing",
        "Steps": _steps(run, args),
        "Device": _device(run.device),
        "Output": f"{cfg.OUTPUT_DIR} (log.txt, {CONFIG})",
    }
    print("\n".join(f"{what + ':':<10}{text}" for what, text in lines.items() if text))


def _steps(run: Run, args: argparse.Namespace) -> str:
    if args.eval_only:
        return f"testing the weights of {args.model_dir}" if args.model_dir else "testing alone"
    if not getattr(run, "trains", True):
        return ""
    steps, size = len(run.train_loader_x), run.cfg.DATALOADER.TRAIN_X.BATCH_SIZE
    return f"{run.max_epoch} epochs of {steps} steps of {size} images"


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}"
    threads = torch.get_num_threads()
    return f"{device}, {threads} thread{'s' if threads > 1 else ''}"
