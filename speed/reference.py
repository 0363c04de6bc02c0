r"""The authors' own trainers beside ours, in one go: time of a training step and peak memory.

    git clone https://github.com/KaiyangZhou/CoOp
    python speed/reference.py --reference CoOp/trainers/coop.py:CoOp --config-file CoOp/configs/trainers/CoOp/vit_b16.yaml \
        TRAINER.COOP.PREC fp32

Theirs is a plugin of train.py (docs/use-with-dassl.md). Both programs train on the same generated images, with the same
random weights at the ViT-B/16 shape, batch and number of threads; each run is a process of its own, and they take turns.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import toolbox  # noqa: F401  mends torchvision, and so comes before it

# isort: split

from tabulate import tabulate

from speed import runs
from toolbox.command import run_command
from toolbox.errors import UserError
from toolbox.parser import Parser

EVERY_STEP = ("TRAIN.PRINT_FREQ", "1")


@dataclass(frozen=True)
class Reference:
    """A trainer of the authors': FILE:NAME, its configuration, and KEY VALUE pairs of it."""

    trainer: str
    config: Path
    opts: Sequence[str] = ()
    plugins: Sequence[str] = ()
    """Imported before it."""
    ours: str = ""
    """Our method; the one of the same name by default."""

    @property
    def name(self) -> str:
        return self.trainer.rpartition(":")[2]


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    images = max(args.batch * args.steps, len(runs.NAMES))  # one a class at least
    scale = replace(runs.TOY if args.toy else runs.PUBLISHED, batch=args.batch, images=images)
    reference = Reference(args.reference, args.config_file, args.opts, args.plugin, args.ours)
    with tempfile.TemporaryDirectory() as folder:
        found = beside(runs.World(folder, args.device, scale), reference, args.rounds)
    print(tabulate(found, headers="keys", floatfmt=".3g"))
    return 0


def beside(world: runs.World, reference: Reference, rounds: int = 1) -> list[dict]:
    """A row a program: the median step of its runs and the largest peak of memory, and both as multiples of ours."""
    plugins = [word for plugin in [*reference.plugins, reference.trainer] for word in ("--plugin", plugin)]
    found: dict[str, list[tuple[list[float], float]]] = {"ours": [], "theirs": []}
    for turn in range(rounds):
        ours, theirs = (f"{reference.name}-{whose}{turn}" for whose in found)
        words = [*world.arguments(ours, 1, reference.ours or reference.name), *EVERY_STEP]
        found["ours"].append(measured(world, ours, words))
        words = [*plugins, *world.arguments(theirs, 1, reference.name, reference.config), *EVERY_STEP, *reference.opts]
        found["theirs"].append(measured(world, theirs, words))
    step = {
        program: statistics.median(ms for times, _ in results for ms in times) for program, results in found.items()
    }
    peak = {program: max(memory for _, memory in results) for program, results in found.items()}
    return [
        {"": p, "step ms": ms, "x ours": ms / step["ours"], "peak MB": peak[p], "x our peak": peak[p] / peak["ours"]}
        for p, ms in step.items()
    ]


def measured(world: runs.World, output: str, words: list[str]) -> tuple[list[float], float]:
    """Milliseconds of each step but the first, loading left out, and peak memory in MB of a run in a process of its own.

    Both programs print the lines of Dassl that tell the time of every batch.

    Raises:
        UserError: it failed; the last lines of its output say why.
    """
    done = subprocess.run(
        [sys.executable, str(runs.ROOT / "train.py"), *words],
        env={"OMP_NUM_THREADS": "1", **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    log = (world.root / output / "log.txt").read_text()
    lines = re.findall(r"batch \[\d+/\d+\].*? time (\S+) .*?data (\S+) ", log)
    steps = [1000 * (float(whole) - float(loading)) for whole, loading in lines]
    return steps[1:], json.loads((world.root / output / "result.json").read_text())["peak_memory_mb"]


def parser() -> argparse.ArgumentParser:
    p = Parser(description=__doc__, raw=True)
    p.add_argument("--reference", required=True, help="FILE:NAME, the trainer NAME of a checkout's file")
    p.add_argument("--config-file", type=Path, required=True, help="its own configuration")
    p.add_argument("--plugin", action="append", default=[], help="to import first; one may make .cuda() harmless")
    p.add_argument("--ours", default="", help="our method (default: the one of the same name)")
    p.add_argument("--batch", type=int, default=4, help="images a step")
    p.add_argument("--steps", type=int, default=5, help="steps a run")
    p.add_argument("--rounds", type=int, default=1, help="how often the programs take turns")
    p.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="where both run")
    p.add_argument("--toy", action="store_true", help="small sizes, to try the script itself")
    p.add_argument("opts", nargs=argparse.REMAINDER, help="KEY VALUE ... of theirs")
    return p


if __name__ == "__main__":
    run_command(main)
