"""Flip single bits of every kind of file that is read back: `python tests/faults/flips.py --n 1000`.

Each file must then read as it was written, or be refused by a UserError. The tally says how often it was which; exit code 1 if
anything else came out. Kinds of files that hold no sum are not here: docs/trust.md names them.
"""

import argparse
import contextlib
import io
import random
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

import toolbox  # noqa: E402, F401  mends torchvision before anything imports it
from benchmark.calibration import Calibration  # noqa: E402
from datasets.cache import build_cache  # noqa: E402
from datasets.fewshot import draw  # noqa: E402
from datasets.images import file_sum, read_image  # noqa: E402
from datasets.split import read_split  # noqa: E402
from llm.store import read_store  # noqa: E402
from tests.faults import damage  # noqa: E402
from tests.faults.world import CLASSES, EPOCHS, FOLDERS, World, build  # noqa: E402
from toolbox.checkpoints import load_checkpoint  # noqa: E402
from toolbox.errors import UserError  # noqa: E402
from toolbox.run_files import read_predictions, read_result  # noqa: E402
from trainers.life.checkpoint import _read as read_trained  # noqa: E402
from trainers.life.seen import read_seen  # noqa: E402
from vlm.loading.openai import from_file  # noqa: E402


@dataclass(frozen=True)
class Kind:
    """Files of one kind, one of which is damaged at a time, and what reading them gives."""

    files: tuple[Path, ...]
    read: Callable[[], Any]


def kinds(root: Path) -> dict[str, Kind]:
    """The files of a finished run of CILMP in a world below `root`, by kind."""
    world, out = build(root / "png"), root / "out"
    command = [sys.executable, "train.py", *world.argv("CILMP", out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    weights = out / FOLDERS["CILMP"]
    result = read_result(out)
    digest = result["predictions"]
    sure = np.eye(len(CLASSES)).repeat(10, 0)
    labels = sure.argmax(1)
    Calibration.of(result, sure, labels, [f"{i:064x}" for i in range(len(labels))], ("0.9",)).save(out)
    found = {
        "conformal.json": Kind((out / "conformal.json",), lambda: vars(Calibration.read(out, result))),
        "seen.json": Kind((out / "seen.json",), lambda: vars(read_seen(out))),
        "result.json": Kind((out / "result.json",), partial(read_result, out)),
        "predictions.npz": _kind(out / "predictions.npz", lambda _: vars(read_predictions(out, len(CLASSES), digest))),
        "trained weights": _kind(weights / f"model-{EPOCHS}.safetensors", read_trained),
        "checkpoint": _kind(weights / f"model.pth.tar-{EPOCHS}", lambda path: load_checkpoint(str(path))),
        "rows": _kind(world.rows, lambda path: vars(read_store(path))),
        "rows of the run": _kind(out / "rows.safetensors", lambda path: vars(read_store(path))),
        "split": _kind(world.split, read_split),
        "backbone": _kind(world.clip, lambda path: from_file("clip", path).state_dict()),
        "few-shot draw": _draws(world, root / "draws"),
        "image cache": _cache(world, root / "cache"),
    }
    return found | {f"image {suffix}": _images(root / suffix, suffix) for suffix in (".png", ".jpg")}


def _kind(path: Path, read: Callable[[Path], Any]) -> Kind:
    return Kind((path,), partial(read, path))


def _draws(world: World, folder: Path) -> Kind:
    split = read_split(world.split)
    draw(split, 4, 3, folder)
    return Kind(tuple(folder.iterdir()), lambda: draw(split, 4, 3, folder))


def _cache(world: World, folder: Path) -> Kind:
    paths = [str(path) for path in world.images()]

    def read() -> list[np.ndarray]:
        cache = build_cache(folder, paths, 16)
        return [np.asarray(cache.read(path)) for path in paths]

    read()
    return Kind(tuple(folder.iterdir()), read)


def _images(root: Path, suffix: str) -> Kind:
    paths = build(root, suffix).images()
    sums = [file_sum(path) for path in paths]
    return Kind(
        tuple(paths), lambda: [np.asarray(read_image(str(path), sum_)) for path, sum_ in zip(paths, sums, strict=True)]
    )


def same(a: Any, b: Any) -> bool:
    """Whether two values that were read are equal to the bit, tensors and arrays among them."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and same(a.numpy(), b.numpy())
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and (a.shape, a.tobytes()) == (b.shape, b.tobytes())
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, frozenset):
        return a == b
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (vars(a) == vars(b) if hasattr(a, "__dict__") else a == b)


def flips(kind: Kind, n: int, rng: random.Random) -> Counter:
    """Flip `n` bits, one at a time; how many files were refused, read the same, or read otherwise.

    Raises whatever is no UserError, with what was done as a note.
    """
    tally, right = Counter(), kind.read()
    for _ in range(n):
        file = rng.choice(kind.files)
        whole = file.read_bytes()
        what = damage.flip(file, rng)
        try:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
                end = "same" if same(right, kind.read()) else f"OTHERWISE ({what})"
        except UserError:
            end = "refused"
        except Exception as error:
            error.add_note(what)
            raise
        finally:
            file.write_bytes(whole)
        tally[end] += 1
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200, help="flips of each kind of file")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="flips-") as folder:
        for name, kind in kinds(Path(folder)).items():
            tally = flips(kind, args.n, random.Random(args.seed))
            wrong += sum(tally.values()) - tally["refused"] - tally["same"]
            print(f"{name:16} " + ", ".join(f"{end} {count}" for end, count in sorted(tally.items())), flush=True)
    print(f"{wrong} read otherwise without a word")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
