"""CILMP's training step and test batch at the ViT-B/16 shape, beside the image tower alone and the plain implementation.

    python speed/cilmp_step.py [--batch 16] [--curves] [--device cuda]

Every figure comes from a process of its own; the variants take turns, so that a drifting machine treats them alike. On a
CPU, time is the processor time of one thread, which other work on the machine hardly touches. Weights and rows are
random: only the shapes matter.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
import torch.nn.functional as F
from tabulate import tabulate

import toolbox  # noqa: F401  mends torchvision
from datasets.facts import find
from speed.shapes import VIT_B16
from tests.oracles import cilmp as oracle
from toolbox.parser import Parser
from trainers.cilmp import CILMPModel
from vlm.backbone import Backbone, from_open_clip_model, openai_model
from vlm.loading.random_clip import random_state
from vlm.towers.tokens import NameTokens

KVASIR = find("kvasir").classnames
VARIANTS = ("tower", "ours", "plain")
TARGETS = {("train", "tower"): 1.15, ("test", "tower"): 1.1}


def build(classes: int, rows: int, device: str) -> tuple[Backbone, CILMPModel, list[torch.Tensor]]:
    torch.manual_seed(0)
    clip = from_open_clip_model("ViT-B/16 shape", openai_model(random_state(VIT_B16, 0))).to(device)
    names = [KVASIR[i % len(KVASIR)] for i in range(classes)]
    h = [torch.randn(rows, 4096) * 0.5 for _ in names]
    sizes = {
        "n_ctx_text": 4,
        "n_ctx_vision": 4,
        "depth_text": 12,
        "depth_vision": 12,
        "prefix": 4,
        "suffix": 4,
        "rank": 8,
    }
    return clip, CILMPModel(clip, names, h, ctx_init="a photo of a", **sizes).to(device), h


def work(variant: str, classes: int, rows: int, batch: int, device: str) -> tuple[Callable, torch.nn.Module]:
    """The function images -> something to differentiate, and what is trained."""
    clip, model, h = build(classes, rows, device)
    if variant == "ours":
        return model, model
    if variant == "tower":
        # The image tower's own forward and backward, prompts and all, with every position computed in every layer.
        return lambda images: oracle.image_features(model, images), model
    pieces = NameTokens(clip.text.vocabulary, [KVASIR[i % len(KVASIR)] for i in range(classes)]).whole
    return lambda images: oracle.logits(model, h, pieces, images), model


def measure(variant: str, mode: str, batch: int, classes: int, rows: int, device: str, repeats: int) -> dict:
    """Median seconds and peak memory (bytes) of one variant, in this process."""
    torch.set_num_threads(1)
    forward, model = work(variant, classes, rows, batch, device)
    images = torch.randn(batch, 3, 224, 224, device=device)
    labels = torch.zeros(batch, dtype=torch.long, device=device)

    def step() -> None:
        if mode == "test":
            with torch.no_grad():
                model.eval()
                forward(images)
        else:
            model.train()
            model.zero_grad()
            F.cross_entropy(forward(images), labels).backward()
        if device == "cuda":
            torch.cuda.synchronize()

    cuda = device == "cuda"
    clock = time.perf_counter if cuda else time.process_time
    step()
    seconds = []
    for _ in range(repeats):
        began = clock()
        step()
        seconds.append(clock() - began)
    peak = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": statistics.median(seconds), "memory": peak}


def in_process(**arguments) -> dict:
    words = [sys.executable, __file__, "--worker", json.dumps(arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(mode: str, batch: int, device: str, rounds: int) -> None:
    found = {v: [] for v in VARIANTS}
    for _ in range(rounds):
        for v in VARIANTS:
            arguments = {"mode": mode, "batch": batch, "classes": 8, "rows": 32, "device": device}
            found[v].append(in_process(variant=v, repeats=1 if v == "plain" else 3, **arguments))
    seconds = {v: statistics.median(r["seconds"] for r in runs) for v, runs in found.items()}
    memory = {v: max(r["memory"] for r in runs) for v, runs in found.items()}
    table = [
        [v, f"{seconds[v]:.2f} s", f"{seconds[v] / seconds['tower']:.2f}", f"{memory[v] / 2**30:.2f} GiB",
         f"{memory[v] / memory['plain']:.2f}"]
        for v in VARIANTS
    ]  # fmt: skip
    print(f"\n{mode}, batch {batch}, 8 classes, 32 x 4096 rows, {device}")
    print(tabulate(table, headers=["variant", "time", "x image tower", "peak memory", "x plain"]))
    print(
        f"target: ours at most {TARGETS[mode, 'tower']} x the image tower"
        + "; memory at most 0.35 x" * (mode == "train")
    )


def curves(batch: int, device: str) -> None:
    """How a test batch's and a training step's time grow over classes and over rows."""
    for name, points in (("classes", (2, 8, 32, 64, 200)), ("rows", (8, 16, 32, 60))):
        table = []
        for value in points:
            arguments = {"batch": batch, "classes": 8, "rows": 32, "device": device, "repeats": 3, name: value}
            results = [in_process(variant="ours", mode=mode, **arguments) for mode in ("train", "test")]
            table.append(
                [value, *(f"{r['seconds']:.2f} s" for r in results), f"{results[0]['memory'] / 2**30:.2f} GiB"]
            )
        print(f"\nours over {name}, batch {batch}")
        print(tabulate(table, headers=[name, "training step", "test batch", "peak memory"]))


def main() -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=16, help="images a step")
    parser.add_argument("--rounds", type=int, default=1, help="how often the variants take turns")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="where it is measured")
    parser.add_argument("--curves", action="store_true", help="also over classes and rows")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(measure(**json.loads(args.worker))))
        return
    for mode in ("train", "test"):
        compare(mode, args.batch, args.device, args.rounds)
    if args.curves:
        curves(4, args.device)


if __name__ == "__main__":
    main()
