"""How long a run takes that trains on kept image features, once they are kept: python speed/kept_features.py --root data

Each method that trains no tower is run twice, start to result.json; the second run is timed, in processor time of one
thread. It reads its features from memory, and still reads configuration, split and backbone, and writes everything.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import toolbox  # noqa: F401  mends torchvision, and so comes before it
from toolbox.parser import Parser

# isort: split

import torch
from tabulate import tabulate

from benchmark.configs import Configs
from benchmark.execute import run_job
from benchmark.plan import Plan
from benchmark.protocols import jobs_of
from trainers.life.config import methods


def seconds(method: str, args: argparse.Namespace) -> float:
    """Processor seconds of the second of two runs of a method.

    Raises:
        RuntimeError: a run failed.
    """
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            plan = Plan(
                "few_shot", (method,), (args.dataset,), (1,), (args.shots,), root=args.root, output=Path(folder)
            )
            (job,) = jobs_of(plan, Configs())
            began = time.process_time()
            outcome = run_job(job)
            taken = time.process_time() - began
        if outcome.state != "done":
            raise RuntimeError(f"{method}: {outcome.message}")
    return taken


def main() -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("data"), help="the data folder")
    parser.add_argument("--dataset", default="phantom", help="name of a data set")
    parser.add_argument("--shots", type=int, default=4, help="images a class")
    args = parser.parse_args()
    torch.set_num_threads(1)
    known = sorted(m.__name__ for m in methods() if not m.trains and m.__module__.startswith("trainers."))
    table = [[name, f"{seconds(name, args):.2f}"] for name in known]
    print(tabulate(table, [f"{args.dataset}, {args.shots} images a class", "s of processor time"]))


if __name__ == "__main__":
    main()
