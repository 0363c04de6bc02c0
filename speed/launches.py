"""How many kernels a training step and a test batch launch, method by method: python speed/launches.py

A GPU waits for Python where kernels are small, so their number matters there beside the sums they do. Counted without a
GPU: operations that reach the dispatcher, forward and backward, without views and allocations. Widths do not change the
number, so the towers have ViT-B/16's twelve layers but are narrow. "its tower" is the method's image tower alone, prompts
and all, forward and, where prompts need it, backward. The optimiser's step is not counted: its few kernels take all
parameters together.
"""

import contextlib
import io
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import toolbox  # noqa: F401  mends torchvision, and so comes before it
from toolbox.parser import Parser

# isort: split

import torch
from tabulate import tabulate
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import trainers  # noqa: F401  registers the methods
from dassl.config import get_cfg_default
from datasets.facts import find
from llm.store import save_rows
from trainers.base import PromptTrainer
from trainers.life.config import extend_cfg, methods
from trainers.life.precision import Precision
from vlm.backbone import Backbone, from_open_clip_model, openai_model
from vlm.loading.random_clip import random_state
from vlm.prompts.prompted import PromptedCLIP

SIZES = {
    "embed_dim": 64,
    "image_resolution": 32,
    "vision_layers": 12,
    "vision_width": 64,
    "vision_patch_size": 16,
    "context_length": 77,
    "vocab_size": 49408,
    "transformer_width": 64,
    "transformer_layers": 12,
}
ALLOCATIONS = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
NOTHING = ALLOCATIONS | {"_unsafe_view", "lift_fresh", "promote_types"}  # no work on the device
READS = {"_local_scalar_dense", "nonzero", "equal"}  # the host waits for the device's answer


class Launches(TorchDispatchMode):
    """Counts by name what is dispatched while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if not func.is_view and name not in NOTHING:
            self.names[name] += 1
        return func(*args, **(kwargs or {}))

    @property
    def total(self) -> int:
        return sum(self.names.values())

    @property
    def reads(self) -> int:
        """How often the host waits."""
        return sum(self.names[name] for name in READS)


def launches(function: Callable[[], object]) -> Launches:
    """What `function` dispatches on a call after its first, which may fill what is kept."""
    function()
    with Launches() as counted:
        function()
    return counted


def build(method: type[PromptTrainer], clip: Backbone, classnames: list[str], rows: Path | None = None) -> PromptedCLIP:
    """The method's model with the defaults of its configuration.

    Args:
        rows: a file of language-model rows, for methods that read one.
    """
    cfg = get_cfg_default()
    extend_cfg(cfg)
    if "ROWS_FILE" in cfg.TRAINER[method.section]:
        cfg.TRAINER[method.section].ROWS_FILE = str(rows)
    if "LAYER" in cfg.TRAINER[method.section]:  # TCP's, for towers that are not as deep as the published one
        cfg.TRAINER[method.section].LAYER = min(cfg.TRAINER[method.section].LAYER, clip.text.depth - 1)
    trainer = object.__new__(method)
    trainer.cfg, trainer.dm = cfg, SimpleNamespace(dataset=SimpleNamespace(classnames=classnames, name="drawn"))
    with contextlib.redirect_stdout(io.StringIO()):
        return trainer.make_model(clip, classnames).to(clip.device)


def random_rows(classnames: list[str], folder: str, width: int) -> Path:
    """A file of 32 random rows a class, as many as Llama-3-8B gives."""
    path = Path(folder) / "rows.safetensors"
    save_rows(path, {name: torch.randn(32, width) for name in classnames}, {"model": "drawn at random"})
    return path


def training_step(model: PromptedCLIP, images: Tensor, precision: Precision) -> Callable[[], None]:
    """Forward and backward pass of the method's loss."""
    labels = torch.zeros(len(images), dtype=torch.long, device=images.device)

    def step() -> None:
        model.train().zero_grad(set_to_none=True)
        with precision.context():
            loss = model.loss(images, labels)[1]
        model.backward(loss)

    return step


def test_batch(model: PromptedCLIP, images: Tensor, precision: Precision) -> Callable[[], None]:
    """Logits of a batch in an evaluation that has begun."""
    model.eval()

    @torch.no_grad()
    def batch() -> None:
        with precision.context():
            model(images)

    return batch


def tower(model: PromptedCLIP, images: Tensor, precision: Precision, train: bool) -> Callable[[], None]:
    """The method's image tower alone, prompts and all."""

    def run() -> None:
        with torch.set_grad_enabled(train), precision.context():
            features = model.image_features(images)
        if features.requires_grad:
            features.sum().backward()

    return run


def main() -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", default="fp32", help="fp32, bf16, fp16 or amp")
    parser.add_argument("--batch", type=int, default=4, help="images a step")
    parser.add_argument("--dataset", default="kvasir", help="whose class names")
    parser.add_argument("--names", action="store_true", help="also each method's operations by name")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    precision = Precision(args.precision, torch.device("cpu"))
    clip = from_open_clip_model("twelve narrow layers", openai_model(random_state(SIZES, 0))).cast(precision.weights)
    names, images = list(find(args.dataset).classnames), torch.randn(args.batch, 3, 32, 32)
    table = []
    with tempfile.TemporaryDirectory() as folder:
        rows = random_rows(names, folder, width=64)
        models = {m.__name__: build(m, clip, names, rows) for m in methods() if m.trains}
    for name, model in sorted(models.items()):
        step, batch = (launches(make(model, images, precision)) for make in (training_step, test_batch))
        alone = [launches(tower(model, images, precision, train)).total for train in (True, False)]
        table.append([name, step.total, alone[0], step.reads, batch.total, alone[1], batch.reads])
        if args.names:
            for kind, counted in (("training step", step), ("test batch", batch)):
                print(f"{name}, {kind}: " + ", ".join(f"{n} {key}" for key, n in counted.names.most_common()))
    print(f"kernels, batch {args.batch}, {len(names)} classes, 12 + 12 layers, {args.precision}")
    heads = ["method", "training step", "its tower", "host waits", "test batch", "its tower", "host waits"]
    print(tabulate(table, heads))


if __name__ == "__main__":
    main()
