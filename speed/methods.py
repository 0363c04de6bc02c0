"""What each method costs beside zero-shot CLIP, and how near it is to its recordings: python speed/methods.py

ViT-B/16's shape with random weights, Kvasir's 8 class names, 32 rows of 4096 a class. A training step is forward and backward;
its time is divided by that of zero-shot CLIP's test batch of as many images. Methods that train on kept features run no tower
then, and have no step of this kind. Times are processor time, the least of a few. `--out` writes what
`python -m trainers.list` shows.
"""

import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import toolbox  # noqa: F401  mends torchvision, and so comes before it

# isort: split

import torch
from tabulate import tabulate

import trainers  # noqa: F401  registers the methods
from datasets.facts import find
from speed.launches import build, random_rows, test_batch, training_step
from speed.shapes import VIT_B16
from toolbox.files import atomic_json
from toolbox.parser import Parser
from trainers.base import PromptTrainer
from trainers.golden.compare import by_recorded_name, differences
from trainers.life.config import methods
from trainers.life.precision import Precision
from trainers.life.recording import Recording
from trainers.list import MEASURED
from vlm.backbone import from_open_clip_model, openai_model
from vlm.loading.random_clip import random_state

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"


def seconds(function: Callable[[], object], repeats: int) -> float:
    """Processor seconds of one call, the least of `repeats` after one to warm up: what disturbs only ever adds time."""
    taken = []
    for _ in range(repeats + 1):
        began = time.process_time()
        function()
        taken.append(time.process_time() - began)
    return min(taken[1:])


def tolerance_reached(known: list[type[PromptTrainer]]) -> dict[str, float]:
    """The worst difference of each recorded method from its recordings, as a share of what is allowed."""
    by_name, worst = by_recorded_name(known), {}
    for file in sorted(GOLDEN.rglob("*.npz")):
        recording = Recording.read(file)
        for name, part in recording.names().items():
            if name in by_name:
                found = differences(recording.of(part), by_name[name]).values()
                shares = [difference / allowed for difference, allowed in found if allowed]
                key = by_name[name].__name__
                worst[key] = max([worst.get(key, 0.0), *shares])
    return worst


def main() -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=4, help="images a step")
    parser.add_argument("--repeats", type=int, default=2, help="steps, of which the quickest counts")
    parser.add_argument("--out", type=Path, help=f"write the figures, for example into {MEASURED.name} of trainers/")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    known = sorted((m for m in methods() if m.__module__.startswith("trainers.")), key=lambda m: m.__name__.lower())
    precision, names = Precision("fp32", torch.device("cpu")), list(find("kvasir").classnames)
    clip = from_open_clip_model("random ViT-B/16", openai_model(random_state(VIT_B16, 0))).cast(precision.weights)
    images = torch.randn(args.batch, 3, 224, 224)
    reached, measured = tolerance_reached(known), {}
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        rows = random_rows(names, folder, width=4096)
        zero_shot = build(next(m for m in known if m.__name__ == "ZeroshotCLIP"), clip, names)
        once = seconds(test_batch(zero_shot, images, precision), args.repeats)
        for method in known:
            figures = {}
            if method.trains and method.__name__ != "ZeroshotCLIP":
                model = build(method, clip, names, rows)
                figures["parameters"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
                figures["step"] = round(seconds(training_step(model, images, precision), args.repeats) / once, 1)
                figures["test"] = round(seconds(test_batch(model, images, precision), args.repeats) / once, 1)
            if method.__name__ in reached:
                figures["recorded"] = float(f"{reached[method.__name__]:.2g}")
            measured[method.__name__] = figures
    table = [
        [name, *(figures.get(key, "") for key in ("parameters", "step", "test", "recorded"))]
        for name, figures in measured.items()
    ]
    print(tabulate(table, ["method", "parameters", "step / zero-shot", "test / zero-shot", "share of tolerance"]))
    print(f"zero-shot CLIP: {1000 * once:.0f} ms of processor time for {args.batch} images")
    if args.out:
        atomic_json(args.out, measured)


if __name__ == "__main__":
    main()
