"""Where OpenAI's model files come from and how their weights are read."""

import hashlib
import urllib.request
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from toolbox.checkpoints import check_sums
from toolbox.errors import UserError, nearest
from toolbox.files import atomic_path
from toolbox.mend.torchscript import is_torchscript, read_torchscript

CACHE = Path("~/.cache/clip").expanduser()
_SERVER = "https://openaipublic.azureedge.net/clip/models"
_FILES = {  # SHA-256 and name of each file
    "RN50": "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762/RN50.pt",
    "RN101": "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599/RN101.pt",
    "RN50x4": "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd/RN50x4.pt",
    "RN50x16": "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa/RN50x16.pt",
    "RN50x64": "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c/RN50x64.pt",
    "ViT-B/32": "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
    "ViT-B/16": "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f/ViT-B-16.pt",
    "ViT-L/14": "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/ViT-L-14.pt",
    "ViT-L/14@336px": "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02/ViT-L-14-336px.pt",
}


class ModelAddresses(dict):
    """Address of each model by name. The path of a file that exists is its own address, so it can stand for a name."""

    def __missing__(self, name: str) -> str:
        if Path(name).is_file():
            return str(name)
        raise UserError(f'unknown CLIP model "{name}", and no file of that name; {nearest(str(name), self)}')


MODELS = ModelAddresses({name: f"{_SERVER}/{file}" for name, file in _FILES.items()})


def download(url: str, root: str | Path = CACHE) -> str:
    """Path of the file at `url`, fetched into `root` unless it is there; a local path is returned unchanged.

    The folder in the address is the file's SHA-256, and is checked. UserError when the address cannot be reached (it
    says where to put the file by hand) or the file that came is not the right one.
    """
    if Path(url).is_file():
        return str(url)
    sha256, name = url.split("/")[-2:]
    path = Path(root) / name
    if path.is_file() and _sha256(path) == sha256:
        return str(path)
    try:
        with atomic_path(path) as part:
            _fetch(url, part)
            if _sha256(part) != sha256:
                raise UserError(f"{url} was fetched, but its SHA-256 is not the published one: try again")
    except OSError as error:
        raise UserError(f"cannot download {url} ({error}): fetch it on another machine and put it at {path}") from error
    return str(path)


def read_state_dict(path: str | Path) -> dict[str, Any]:
    """Weights in a TorchScript archive (OpenAI's files), or in a plain state dict, bare or under "state_dict".

    No code of a TorchScript archive is run. UserError for a file that is neither.
    """
    try:
        check_sums(Path(path))
        if is_torchscript(path):
            return {key: value for key, value in read_torchscript(path).items() if not key.endswith("attn_mask")}
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can fail in many ways
        first_line = str(error).partition("\n")[0]
        raise UserError(
            f"{path} is neither a TorchScript archive nor a state dict of tensors, or damaged ({first_line})"
        ) from error
    state = saved.get("state_dict", saved) if isinstance(saved, dict) else {}
    return {key.removeprefix("module."): value for key, value in state.items()}


def _fetch(url: str, target: Path) -> None:
    with urllib.request.urlopen(url) as source, target.open("wb") as file:
        size = int(source.headers.get("Content-Length") or 0) or None
        with tqdm(total=size, unit="B", unit_scale=True, desc=url.rpartition("/")[2], disable=None) as bar:
            while block := source.read(1 << 20):
                file.write(block)
                bar.update(len(block))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
