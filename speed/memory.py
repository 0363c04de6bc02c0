"""What a training step holds at the most, by backbone, method and batch, counted without a GPU: python speed/memory.py

A step is gone through with tensors that have shapes and no contents, forward and backward, and the bytes are added up that
results hold at one time; weights, frozen and trained, are added. A card takes more: its own programs (about 0.5 GiB), what
libraries work in, and gaps between tensors.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import toolbox  # noqa: F401  mends torchvision, and so comes before it

# isort: split

import torch
from tabulate import tabulate
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from datasets.facts import find
from speed.launches import build, random_rows, training_step
from speed.shapes import SHAPES
from toolbox.parser import Parser
from trainers.life.config import methods
from trainers.life.precision import Precision
from vlm.backbone import from_open_clip_model, openai_model
from vlm.loading.random_clip import random_state
from vlm.prompts.prompted import PromptedCLIP

GIB = 1 << 30


class Peak(TorchDispatchMode):
    """The most bytes that results of operations held at one time while it is entered; views hold none of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.bytes = self.ops = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            for tensor in (t for t in tree_leaves(out) if isinstance(t, torch.Tensor)):
                storage = tensor.untyped_storage()
                self.alive[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self.ops += 1
        if self.ops % 8 == 0:
            self.bytes = max(self.bytes, self.count())
        return out

    def count(self) -> int:
        """Bytes that are held now."""
        self.alive = {key: kept for key, kept in self.alive.items() if not kept[0].expired()}
        return sum(size for _, size in self.alive.values())


def held(model: PromptedCLIP, batch: int, side: int, precision: Precision) -> int:
    """Bytes of a training step of `batch` images, `side` pixels wide, and of all weights."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        step = training_step(model, torch.empty(batch, 3, side, side), precision)
        with Peak() as found:
            step()
    model.zero_grad(set_to_none=True)
    towers = {p for part in (model, model.clip.image, model.clip.text) for p in part.parameters()}
    return found.bytes + sum(p.nbytes for p in towers)


def main() -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbones", nargs="+", choices=list(SHAPES), default=list(SHAPES), help="whose shapes")
    parser.add_argument("--methods", nargs="+", default=["CoOp", "CoCoOp", "MaPLe", "CILMP"], help="names of methods")
    parser.add_argument("--batches", nargs="+", type=int, default=[4, 16, 64], help="images a step")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"], help="numbers to compute in")
    parser.add_argument("--dataset", default="kvasir", help="whose class names")
    args = parser.parse_args()
    names, by_name, table = list(find(args.dataset).classnames), {m.__name__: m for m in methods()}, []
    for backbone in args.backbones:
        state = random_state(SHAPES[backbone], 0)
        for kind in args.precisions:
            precision = Precision(kind, torch.device("cpu"))
            clip = from_open_clip_model(backbone, openai_model(state)).cast(precision.weights)
            with tempfile.TemporaryDirectory() as folder:
                rows = random_rows(names, folder, width=4096)
                models = {name: build(by_name[name], clip, names, rows) for name in args.methods}
            for name, model in models.items():
                sizes = [held(model, b, SHAPES[backbone]["image_resolution"], precision) / GIB for b in args.batches]
                table.append([backbone, name, kind, *sizes])
    print(f"GiB that a training step holds, weights included; {len(names)} classes, 32 x 4096 rows")
    print(tabulate(table, ["backbone", "method", "PREC", *(f"batch {b}" for b in args.batches)], floatfmt=".1f"))


if __name__ == "__main__":
    main()
