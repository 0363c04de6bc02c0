"""Disturb training in random ways and judge how each run ends: `python tests/faults/run.py --n 200`.

After each fault a run must end with the very numbers of an undisturbed one, or with one error that names the file.
The tally says how many did; exit code 1 if any did neither.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

import toolbox  # noqa: E402, F401  mends torchvision before anything imports it
from tests.faults.kinds import KINDS  # noqa: E402
from tests.faults.scene import Scene, Stage, Wrong  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=len(KINDS), help="number of faults")
    parser.add_argument("--seed", type=int, default=1, help="fault number i of a seed is always the same")
    parser.add_argument("--only", choices=KINDS, nargs="+", help="kinds of faults")
    parser.add_argument("--first", type=int, default=0, help="number of the first fault, to repeat one")
    args = parser.parse_args()
    torch.set_num_threads(1)
    names = args.only or list(KINDS)
    tally: dict[str, Counter] = {name: Counter() for name in names}
    began, kills = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        stage = Stage(Path(folder))
        for number in range(args.first, args.first + args.n):
            name = names[number % len(names)]
            verdict, hits = disturb(stage, name, number, args.seed)
            tally[name][verdict] += 1
            kills += hits
    show(tally, time.monotonic() - began)
    print(f"{kills} times a run at work was killed or told to stop")
    return 1 if any(count["WRONG"] for count in tally.values()) else 0


def disturb(stage: Stage, name: str, number: int, seed: int) -> tuple[str, int]:
    """One fault; prints a line about it and returns the verdict, and how often a run at work was killed."""
    kind, rng = KINDS[name], random.Random(f"{seed} {number}")
    scene = Scene(stage, rng.choice(kind.variants), kind.suffix, rng, kind.cached)
    about = f"{number:4} {name:27} {scene.method:5} {' '.join(map(str, scene.options)) or '-'}"
    try:
        what, verdict = kind.disturb(scene)
    except Exception as error:  # the runs are not this process: whatever is raised here speaks against one of them
        reason = str(error) if isinstance(error, Wrong) else f"{type(error).__name__}: {error}"
        print(f"{about}\n     WRONG: {reason}", flush=True)
        return "WRONG", scene.hits
    print(f"{about}\n     {what}: {verdict}", flush=True)
    return verdict, scene.hits


def show(tally: dict[str, Counter], seconds: float) -> None:
    """The table of verdicts by kind."""
    columns = ("same numbers", "one error, naming the file", "WRONG")
    print(f"\n{'kind of fault':29}{'faults':>7}{columns[0]:>14}{columns[1]:>28}{columns[2]:>7}")
    total = Counter()
    for name, count in tally.items():
        total += count
        print(f"{name:29}{count.total():7}{count[columns[0]]:14}{count[columns[1]]:28}{count[columns[2]]:7}")
    print(f"{'all':29}{total.total():7}{total[columns[0]]:14}{total[columns[1]]:28}{total[columns[2]]:7}")
    print(f"{seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
