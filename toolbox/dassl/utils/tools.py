"""Files, seeds and other small things."""

import difflib
import json
import os
import platform
import random
import urllib.request
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
import torchvision
from tqdm import tqdm

from toolbox.errors import UserError, nearest
from toolbox.files import atomic_path, atomic_text
from toolbox.images import read_image
from toolbox.plain import parse_json

__all__ = [
    "check_availability",
    "check_isfile",
    "collect_env_info",
    "download_url",
    "get_most_similar_str_to_a_from_b",
    "listdir_nohidden",
    "mkdir_if_missing",
    "read_image",
    "read_json",
    "set_random_seed",
    "tolist_if_not",
    "write_json",
]


def mkdir_if_missing(dirname: str) -> None:
    """Make the folder `dirname` and those above it, unless it exists."""
    if dirname:
        Path(dirname).mkdir(parents=True, exist_ok=True)


def check_isfile(fpath: str) -> bool:
    """Whether `fpath` is a file; warns when it is not."""
    is_file = Path(fpath).is_file()
    if not is_file:
        warnings.warn(f'no file at "{fpath}"', stacklevel=2)
    return is_file


def read_json(fpath: str) -> Any:
    """Contents of a JSON file; UserError names one that is missing or not JSON."""
    try:
        return parse_json(Path(fpath).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {fpath}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{fpath} is not JSON: {error}") from error


def write_json(obj: Any, fpath: str) -> None:
    """Write `obj` to a JSON file, whole or not at all."""
    atomic_text(fpath, json.dumps(obj, indent=4))


def set_random_seed(seed: int) -> None:
    """Seed Python, NumPy, torch and every CUDA device."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)


def download_url(url: str, dst: str) -> None:
    """Fetch `url` into the file `dst`, with a bar on a terminal; UserError when it cannot be reached."""
    print(f"Downloading {url} to {dst}")
    try:
        with urllib.request.urlopen(url) as source, atomic_path(dst) as part, part.open("wb") as target:
            size = int(source.headers.get("Content-Length") or 0) or None
            with tqdm(total=size, unit="B", unit_scale=True, disable=None) as bar:
                while block := source.read(1 << 20):
                    target.write(block)
                    bar.update(len(block))
    except OSError as error:
        raise UserError(f"cannot download {url} ({error}): fetch it elsewhere and put it at {dst}") from error


def collect_env_info() -> str:
    """Versions and hardware, one a line, for the head of a log."""
    lines = [
        f"Python {platform.python_version()} on {platform.platform()}, {os.cpu_count()} CPU cores",
        f"torch {torch.__version__}, torchvision {torchvision.__version__}",
        f"numpy {np.__version__}, Pillow {PIL.__version__}",
    ]
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        lines.append(f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, GPUs: {', '.join(names)}")
    else:
        lines.append("no CUDA device")
    return "\n".join(lines)


def listdir_nohidden(path: str, sort: bool = False) -> list[str]:
    """Names in a folder without those that begin with a dot."""
    names = [file.name for file in Path(path).iterdir() if not file.name.startswith(".")]
    return sorted(names) if sort else names


def get_most_similar_str_to_a_from_b(a: str, b: Iterable[str]) -> str | None:
    """The string in `b` that is most like `a`; None when `b` is empty."""
    return max(b, key=lambda name: difflib.SequenceMatcher(None, a, name).ratio(), default=None)


def check_availability(requested: str, available: Iterable[str]) -> None:
    """UserError, with the nearest names, unless `requested` is among `available`."""
    names = list(available)
    if requested not in names:
        raise UserError(f'unknown name "{requested}"; {nearest(requested, names)}')


def tolist_if_not(x: Any) -> list:
    """`x` itself when it is a list, else a list that holds it."""
    return x if isinstance(x, list) else [x]
