"""Where a fault takes place: one world, the ending of undisturbed runs in it, and the judgement over disturbed ones."""

import random
import re
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults import processes
from tests.faults import world as worlds
from tests.faults.processes import End
from vlm import load

VARIANTS = (
    ("CILMP", ()),
    ("CoOp", ()),
    ("CILMP", ("TEST.FINAL_MODEL", "best_val", "TRAIN.CHECKPOINT_FREQ", 2)),
    ("CoOp", ("TEST.FINAL_MODEL", "best_val")),
    ("CILMP", ("DATALOADER.NUM_WORKERS", 2)),
    ("CoOp", ("DATALOADER.NUM_WORKERS", 2)),
)
CACHED = ("DATALOADER.CACHE", True, "DATALOADER.CACHE_FEATURES", True)


class Wrong(AssertionError):
    """A run ended neither as it would have undisturbed nor with one clear error."""


class Scene:
    """A world of its own for one fault, beside the endings of undisturbed runs, which all scenes of a `Stage` share.

    Attributes:
        method, options: what is run.
        reference: how it ends undisturbed, and `seconds` it takes at best.
        hits: how often a kill or a SIGTERM found the run at work, not finished or not yet begun.
        out: its output folder; `again`: that of a later evaluation.
    """

    def __init__(self, stage: "Stage", variant: int, suffix: str, rng: random.Random, cached: bool = False) -> None:
        self.rng, self.stage, self.folder, self.hits = rng, stage, stage.folder / "scene", 0
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(stage.world(suffix).root, self.folder, symlinks=True)
        self.world = worlds.World(self.folder, suffix)
        self.method, options = VARIANTS[variant]
        self.options = (*options, *CACHED) if cached else options
        self.key = (variant, suffix, CACHED if cached else ())
        self.reference, self.seconds = stage.undisturbed(*self.key)
        self.out, self.again, self.log = self.folder / "out", self.folder / "again", self.folder / "log"
        self.argv = self.world.argv(self.method, self.out, *self.options)

    def run(self, *, argv: Sequence[str] | None = None, **options) -> End:
        """Do the run, or another command line; see `processes.finish`. Kills that find it at work are counted."""
        end, seconds = processes.timed(list(argv or self.argv), self.log, **options)
        if end.code in (-signal.SIGKILL, 128 + signal.SIGTERM):
            self.hits += 1
        elif end.code == 0 and seconds > 0.1:  # a machine with other work is slower at times
            self.stage.learn_seconds(self.key, seconds)
        return end

    def random_moment(self) -> float:
        return self.rng.uniform(0.0, self.seconds)

    def evaluation(self) -> list[str]:
        """Command line that tests the final weights of the finished run."""
        flags = ("--eval-only", "--model-dir", str(self.out), "--load-epoch", str(worlds.EPOCHS))
        return self.world.argv(self.method, self.again, *self.options, flags=flags)

    def must_be_same(self, end: End) -> str:
        """Judge a run that nothing stands in the way of."""
        if end.code != 0:
            raise Wrong(f"exit code {end.code}: {end.error[-600:]}")
        if worlds.ending(self.method, self.out) != self.reference:
            raise Wrong("finished with other numbers")
        return "same numbers"

    def same_or_error(self, end: End, names: Sequence[str], ending: Callable[[], worlds.Ending] | None = None) -> str:
        """Judge a run after damage: the undisturbed ending, or one line that contains one of `names`, and exit code 2."""
        if end.code == 0:
            found = ending() if ending else worlds.ending(self.method, self.out)
            if found != self.reference:
                raise Wrong("finished with other numbers, without a word")
            return "same numbers"
        check_one_error(end, names)
        return "one error, naming the file"


def check_one_error(end: End, names: Sequence[str]) -> None:
    """Pass for exit code 2 and a single line on standard error that holds one of `names`."""
    lines = [
        line for line in end.error.splitlines() if line.strip() and not re.search(r"Warning:|^\s+warnings?\.", line)
    ]
    if end.hung or end.code != 2 or len(lines) != 1 or not lines[0].startswith("error: "):
        raise Wrong(f"exit code {end.code}, not one clear error: {end.error[-600:]}")
    if not any(name in lines[0] for name in names):
        raise Wrong(f"the error does not name {' or '.join(names)}: {lines[0]}")


class Stage:
    """All worlds and references of one series of faults, below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._worlds: dict[str, worlds.World] = {}
        self._endings: dict[tuple, tuple[worlds.Ending, float]] = {}

    def world(self, suffix: str) -> worlds.World:
        if suffix not in self._worlds:
            self._worlds[suffix] = made = worlds.build(self.folder / f"world{suffix}", suffix)
            load(str(made.clip))  # here once, for the processes that are forked from this one
        return self._worlds[suffix]

    def undisturbed(self, variant: int, suffix: str, more: tuple = ()) -> tuple[worlds.Ending, float]:
        """Ending of the variant's run with `more` options that nothing disturbs, and the seconds it took."""
        key = (variant, suffix, more)
        if key not in self._endings:
            world = worlds.World(self.folder / "reference", suffix)
            shutil.rmtree(world.root, ignore_errors=True)
            shutil.copytree(self.world(suffix).root, world.root)
            (method, options), out = VARIANTS[variant], world.root / "out"
            end, seconds = processes.timed(world.argv(method, out, *options, *more), world.root / "log")
            if end.code:
                raise Wrong(f"the undisturbed run fails: {end.error}")
            self._endings[key] = worlds.ending(method, out), seconds
        return self._endings[key]

    def learn_seconds(self, key: tuple, seconds: float) -> None:
        """Remember the shortest time that a whole run took."""
        ending, known = self._endings[key]
        self._endings[key] = ending, min(known, seconds)
