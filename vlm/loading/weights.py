"""State dicts from files: TorchScript archives, `torch.save` files and safetensors. Nothing in a file is run."""

import hashlib
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from toolbox.checkpoints import check_sums
from toolbox.errors import UserError
from toolbox.mend.old_checkpoints import read_beside_scores
from toolbox.mend.torchscript import is_torchscript, read_torchscript

SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")
WRAPPERS = ("state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "_orig_mod.", "clip_model.")


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name, as saved: bare or under a name that programs give them, without what DataParallel, torch.compile
    and wrappers of a CLIP put before names.

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
        return _scalar_scale(state)
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
    state = {_plain_key(str(key)): v for key, v in _unwrapped(saved).items() if isinstance(v, Tensor)}
    if not state:
        raise UserError(f"{path} holds no tensors by name")
    return _scalar_scale(state)


def _unwrapped(saved: object) -> dict:
    """The mapping of names to tensors in what programs save around it: {"model": {"state_dict": {...}}, "epoch": 3}."""
    found = saved if isinstance(saved, dict) else {}
    for _ in WRAPPERS:
        found = next((found[name] for name in WRAPPERS if isinstance(found.get(name), dict)), found)
    return found


def _plain_key(key: str) -> str:
    while found := next((prefix for prefix in PREFIXES if key.startswith(prefix)), ""):
        key = key.removeprefix(found)
    return key


def _scalar_scale(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """`logit_scale` as a scalar, which some programs save with the shape (1,)."""
    scale = state.get("logit_scale")
    return state if scale is None or scale.numel() != 1 else {**state, "logit_scale": scale.reshape(())}


def _torch_load(path: Path) -> object:
    check_sums(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        return read_beside_scores(path)  # a NumPy number, such as the best accuracy, lies beside the weights


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
    spoilt = next((k for k in known if k in state and not _is_finite(state[k])), None)
    if spoilt:
        raise UserError(f"{what}: {spoilt} holds NaN or infinite numbers; fetch or save the checkpoint again")
    counters = {key: torch.zeros((), dtype=torch.long) for key in known if key not in state}
    wanted = {k: v.float() if v.is_floating_point() else v for k, v in state.items() if k in known}
    module.load_state_dict({**counters, **wanted}, assign=True)
    return module.eval()


def _is_finite(value: Tensor) -> bool:
    """Whether all numbers are finite. Their sum is, then, but for enormous ones, and takes a fraction of the time."""
    return not value.is_floating_point() or bool(value.float().sum().isfinite() or value.isfinite().all())


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
