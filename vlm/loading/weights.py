"""State dicts from files: TorchScript archives, `torch.save` files and safetensors. Nothing in a file is run."""

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from toolbox.checkpoints import check_sums
from toolbox.errors import UserError
from toolbox.mend.torchscript import is_torchscript, read_torchscript

SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name, as saved: bare or under "state_dict", without DataParallel's prefix.

    Raises:
        UserError: the file is missing, damaged, or holds program objects beside tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}")
    if path.suffix != ".safetensors" and is_torchscript(path):
        state = read_torchscript(path)
        if not state:
            raise UserError(f"{path} holds no tensors by name")
        return state
    try:
        saved = load_file(path) if path.suffix == ".safetensors" else _torch_load(path)
    except Exception as error:  # a damaged or hostile file can fail in any way
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(
            f"{path} cannot be read as a checkpoint of tensors ({reason}); it is damaged, or holds program objects, "
            "which are not loaded"
        ) from error
    if isinstance(saved, Tensor):
        return {"": saved}
    state = saved.get("state_dict", saved) if isinstance(saved, dict) else {}
    state = {str(key).removeprefix("module."): v for key, v in state.items() if isinstance(v, Tensor)}
    if not state:
        raise UserError(f"{path} holds no tensors by name")
    return state


def _torch_load(path: Path) -> object:
    check_sums(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def fill(module: nn.Module, state: dict[str, Tensor], what: str) -> nn.Module:
    """Give a module that was built without memory (on torch's `meta` device) its weights, in float32, and return it.

    Args:
        state: exactly the module's parameters and buffers; counters of batch norms may be missing.
        what: names the source in the error.

    Raises:
        UserError: names or shapes differ.
    """
    # Causal masks and position numbers are saved by some libraries; they are no weights.
    known = module.state_dict()
    extra = [key for key in state if key not in known and key.rpartition(".")[2] not in ("attn_mask", "position_ids")]
    missing = [key for key in known if key not in state and not key.endswith("num_batches_tracked")]
    shapes = [key for key in known if key in state and state[key].shape != known[key].shape]
    for keys, fault in ((missing, "lacks"), (extra, "has besides"), (shapes, "has in another shape")):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise UserError(f"{what}: the checkpoint {fault} {keys[0]}{more}; it is not of this architecture")
    counters = {key: torch.zeros((), dtype=torch.long) for key in known if key not in state}
    wanted = {k: v.float() if v.is_floating_point() else v for k, v in state.items() if k in known}
    module.load_state_dict({**counters, **wanted}, assign=True)
    return module.eval()


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
