"""What is installed here, which host, GPU and hub there are, what would be downloaded, and what to type next."""

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cilmp import __version__
from cilmp.forward import door
from toolbox.columns import told
from toolbox.parser import Parser

EXAMPLES = ("", "--root DATA")
NEEDED = ("torch", "torchvision", "open_clip_torch", "transformers", "numpy", "scikit-learn", "safetensors", "yacs")
EXTRA = {"ray": "--engine ray", "submitit": "--engine slurm", "pydicom": "DICOM images"}


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code: 1 where something needed is missing."""
    parser = Parser(prog=f"{door()} doctor", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("data"), help="the data folder")
    args = parser.parse_args(argv)
    missing = [name for name in NEEDED if _version(name) is None]
    for name, said in facts(args.root, missing):  # one by one: some take seconds
        print(told([(f"{name:<10}", said)]), flush=True)
    if missing:
        print(f"\nnext: pip install {' '.join(missing)}")
        return 1
    print(
        f"\nnext: {door()} run base2new --root {args.root}    # zero-shot CLIP and CILMP on drawn cells, some minutes"
    )
    return 0


def facts(root: Path, missing: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What is found, a line each; what takes torch is left out where it is missing."""
    yield "cilmp", f"{__version__} at {Path(__file__).resolve().parents[2]}"
    yield "python", f"{platform.python_version()} at {sys.executable}"
    yield "needed", ", ".join(f"{name} {_version(name) or 'MISSING'}" for name in NEEDED)
    yield "optional", ", ".join(f"{name} {_version(name) or 'not installed'} ({what})" for name, what in EXTRA.items())
    if not missing:
        import toolbox

        yield "host", toolbox.host()
        yield "device", _device()
    yield "cores", f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} usable"
    yield "disk", f"{shutil.disk_usage(Path.cwd()).free / 1e9:.0f} GB free in {Path.cwd()}"
    if not missing:
        yield "hub", _hub()
        yield "weights", _weights()
    yield "data", _data(root)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device() -> str:
    import torch

    if not torch.cuda.is_available():
        return "no GPU that torch can use: runs are made on the CPU"
    cards = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return ", ".join(f"{card.name} ({card.total_memory / 2**30:.0f} GiB)" for card in cards)


def _hub() -> str:
    from toolbox.errors import UserError
    from vlm.loading.hub import check_connection

    try:
        check_connection("any")
    except UserError:
        return "huggingface.co is not reachable: the embedded small_clip and rows work without it"
    return "huggingface.co answers"


def _weights() -> str:
    from vlm.list import where
    from vlm.loading.presets import presets

    here = [name for name, preset in presets().items() if where(preset)]
    rest = [f"{name} ({preset.size_mb} MB)" for name, preset in presets().items() if name not in here]
    return f"here: {', '.join(here)}; would be downloaded: {', '.join(rest)}"


def _data(root: Path) -> str:
    from benchmark.configs import Configs

    if not root.is_dir():
        return f"no folder {root}; the phantoms (drawn cells) are made when asked for"
    found = Configs().datasets_in(root)
    return f"in {root}: {', '.join(found) or 'nothing yet'}"
