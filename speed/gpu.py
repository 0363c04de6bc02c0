"""What a GPU makes of this program: exactness, steps, a whole run, resume, two runs at once. Run by speed/gpu.sh.

Weights, rows and images are random: only shapes matter for speed, and the recordings of reference programs for exactness.
Every part that fails is reported and does not stop the others.
"""

import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import toolbox  # noqa: F401  mends torchvision, and so comes before it

# isort: split

import torch
from tabulate import tabulate

from speed import runs
from speed.launches import build, launches, random_rows, tower, training_step
from speed.reference import Reference, beside
from tests.oracles import cilmp as oracle
from toolbox.command import run_command
from toolbox.errors import UserError
from toolbox.files import atomic_json
from toolbox.parser import Parser
from trainers.golden.compare import by_recorded_name, differences
from trainers.life.config import methods
from trainers.life.passes import Passes
from trainers.life.precision import Precision
from trainers.life.recording import Recording
from vlm.backbone import Backbone, from_open_clip_model, openai_model
from vlm.loading.random_clip import random_state
from vlm.prompts.prompted import PromptedCLIP
from vlm.towers.tokens import NameTokens


def clip_on(device: str, precision: Precision, sizes: dict) -> Backbone:
    return from_open_clip_model("random", openai_model(random_state(sizes, 0))).cast(precision.weights).to(device)


def recordings(device: str, scale: runs.Scale) -> list[dict]:
    """Differences from the recorded reference programs, in float32 against their tolerance and in half precision."""
    by_name, found = by_recorded_name(methods()), []
    read = (Recording.read(file) for file in sorted((runs.ROOT / "tests" / "golden").glob("*.npz")))
    trained = (recording for recording in read if "images" in recording.arrays)  # the others are of frozen features
    for recording in islice(trained, scale.recordings):
        method = by_name[recording.case["method"]]
        values = differences(recording.on(device), method)
        row = {"recording": recording.path.stem, "within tolerance": all(a <= b for a, b in values.values())}
        row["float32: worst, of tolerance"] = max(a / b for a, b in values.values())
        for dtype in (torch.bfloat16, torch.float16):
            half = differences(recording.on(device, dtype), method)
            row[f"{dtype}: logits".removeprefix("torch.")] = next(
                d for name, (d, _) in half.items() if "logits" in name
            )
        found.append(row)
    return found


def seconds(function: Callable[[], object], device: str, repeats: int) -> float:
    """Of one call, the mean of `repeats` after two to warm up."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(2):
        function()
    wait()
    began = time.perf_counter()
    for _ in range(repeats):
        function()
    wait()
    return (time.perf_counter() - began) / repeats


def busy(function: Callable[[], object], wall: float) -> float | None:
    """The share of `wall` seconds in which the GPU computes, from its kernels' own times in one call."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        function()
        torch.cuda.synchronize()
    return sum(e.self_device_time_total for e in profile.key_averages()) / 1e6 / wall


def steps(device: str, scale: runs.Scale) -> list[dict]:
    """Forward and backward pass of every method, as written and as a recorded graph, beside its image tower alone."""
    precision, found = Precision("auto", torch.device(device)), []
    clip = clip_on(device, precision, scale.sizes)
    with tempfile.TemporaryDirectory() as folder:
        rows = random_rows(runs.NAMES, folder, scale.llm_width)
        models = {m.__name__: build(m, clip, runs.NAMES, rows).train() for m in methods() if m.trains}
    for name, model in sorted(models.items(), key=lambda item: item[0] != "CILMP"):
        for batch in scale.batches:
            found.append({"method": name, "batch": batch, **one_step(model, batch, precision, device, scale)})
    return found


def one_step(model: PromptedCLIP, batch: int, precision: Precision, device: str, scale: runs.Scale) -> dict:
    side, cuda = scale.sizes["image_resolution"], device == "cuda"
    images, labels = (
        torch.randn(batch, 3, side, side, device=device),
        torch.zeros(batch, dtype=torch.long, device=device),
    )
    alone = seconds(tower(model, images, precision, train=True), device, scale.repeats)
    why_not = "" if cuda else "there is no GPU"
    ways = {
        way: Passes(model.loss, model, precision, way, why_not, model.backward)
        for way in (("off", "auto") if cuda else ("off",))
    }
    row: dict = {"tower ms": 1000 * alone, "kernels": launches(training_step(model, images, precision)).total}
    for way, passes in ways.items():
        label = {"off": "eager", "auto": "graph"}[way]
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        taken = seconds(lambda p=passes: p(images, labels), device, scale.repeats)
        row |= {f"{label} ms": 1000 * taken, f"{label} / tower": taken / alone}
        if cuda:
            row[f"{label} busy"] = busy(lambda p=passes: p(images, labels), taken)
            row[f"{label} MiB"] = torch.cuda.max_memory_allocated() / 2**20
    return row


def plain(device: str, scale: runs.Scale) -> list[dict]:
    """CILMP as its equations read, with nothing saved, beside CILMP here: float32, one step."""
    precision = Precision("fp32", torch.device(device))
    clip, found = clip_on(device, precision, scale.sizes), []
    with tempfile.TemporaryDirectory() as folder:
        file = random_rows(runs.NAMES, folder, scale.llm_width)
        method = next(m for m in methods() if m.__name__ == "CILMP")
        model = build(method, clip, runs.NAMES, file).train()
    pieces = NameTokens(clip.text.vocabulary, runs.NAMES).whole
    side, batch = scale.sizes["image_resolution"], scale.batches[0]
    images = torch.randn(batch, 3, side, side, device=device)

    def as_equations() -> None:
        model.zero_grad(set_to_none=True)
        oracle.logits(model, model.text.all_rows, pieces, images).square().mean().backward()

    ours = seconds(training_step(model, images, precision), device, scale.repeats)
    theirs = seconds(as_equations, device, 1)
    found.append({"batch": batch, "plain ms": 1000 * theirs, "here ms": 1000 * ours, "ratio": theirs / ours})
    return found


def authors(references: list[Reference], device: str, scale: runs.Scale) -> list[dict]:
    """The authors' own trainers beside ours, at each batch: step and the process's peak memory."""
    found = []
    for reference in references:
        for batch in scale.batches:
            sized = replace(scale, batch=batch, images=max(6 * batch, len(runs.NAMES)))
            with tempfile.TemporaryDirectory() as folder:
                rows = beside(runs.World(folder, device, sized), reference)
            found += [{"method": reference.name, "batch": batch, **row} for row in rows]
    return found


PARTS = {
    "Recordings of the reference programs": recordings,
    "Training steps": steps,
    "CILMP as its equations read": plain,
    "A whole CILMP run, loader included": runs.whole,
    "Stopped and gone on with": runs.resumed,
    "Two runs at once": runs.two_at_once,
}


def main() -> int:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("output/gpu"), help="folder of gpu.json and gpu.md")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"], help="where it is measured")
    parser.add_argument(
        "--reference",
        nargs="+",
        action="append",
        default=[],
        metavar=("FILE:NAME CONFIG", "KEY VALUE"),
        help="an authors' own trainer to run beside ours, as of speed/reference.py; may be given several times",
    )
    parser.add_argument("--toy", action="store_true", help="small sizes, to try the script itself")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        raise UserError("torch sees no GPU here; --device cpu --toy tries the script itself")
    torch.backends.cudnn.allow_tf32 = False  # the recordings are float32
    card = torch.cuda.get_device_name() if args.device == "cuda" else "no GPU: the CPU"
    found: dict = {"device": card, "torch": torch.__version__, "toy": args.toy, "parts": {}, "failed": {}}
    scale = runs.TOY if args.toy else runs.PUBLISHED
    references = [Reference(trainer, Path(config), opts) for trainer, config, *opts in args.reference]
    parts = PARTS | ({"The authors' own programs": partial(authors, references)} if references else {})
    for title, part in parts.items():
        began = time.perf_counter()
        try:
            found["parts"][title] = part(args.device, scale)
        except Exception as error:
            traceback.print_exc()
            found["failed"][title] = f"{type(error).__name__}: {error}"
        print(f"{title}: {time.perf_counter() - began:.0f} s", flush=True)
        write(found, args.out)
    print(args.out / "gpu.md")
    return 1 if found["failed"] else 0


def write(found: dict, out: Path) -> None:
    """What was found so far, as gpu.json and gpu.md."""
    out.mkdir(parents=True, exist_ok=True)
    atomic_json(out / "gpu.json", found)
    lines = [
        f"# {found['device']}",
        "",
        f"torch {found['torch']}{', toy sizes: no measurement' if found['toy'] else ''}",
    ]
    for title, rows in found["parts"].items():
        lines += ["", f"## {title}", "", tabulate(rows, headers="keys", tablefmt="github", floatfmt=".3g")]
    lines += [f"\n**{title} failed**: {error}" for title, error in found["failed"].items()]
    (out / "gpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
