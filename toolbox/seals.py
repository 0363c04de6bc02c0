"""Seals: a SHA-256 kept inside what it was taken of, so that damage is found when the file is read.

Neither JSON nor safetensors has a check sum of its own: a flipped bit in either can pass for another number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolbox.errors import UserError

if TYPE_CHECKING:  # torch is imported where there are tensors to seal: a command's help does not wait for it
    from torch import Tensor, dtype

KEY = "sha256"


def digest(value: Any, tensors: Mapping[str, Tensor] | None = None) -> str:
    """SHA-256 (hex) of a JSON value, and of named tensors with their types and shapes; the order of keys is no matter."""
    found = hashlib.sha256(json.dumps(value, sort_keys=True).encode())
    for name, tensor in sorted((tensors or {}).items()):
        tensor = tensor.detach().cpu().contiguous()
        found.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        found.update(tensor.reshape(-1).view(_bytes()).numpy())
    return found.hexdigest()


def _bytes() -> dtype:
    import torch

    return torch.uint8


def seal(value: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """`value`, a JSON object, with the digest of itself and of `tensors` under `KEY`."""
    plain = {key: item for key, item in value.items() if key != KEY}
    return {**plain, KEY: digest(plain, tensors)}


def check_seal(
    value: Mapping[str, Any], path: str | Path, remedy: str, tensors: Mapping[str, Tensor] | None = None
) -> None:
    """Pass what `seal` returned, unchanged, and what never had a seal.

    Raises:
        UserError: the contents are not those that were sealed; the message names `path` and ends with `remedy`.
    """
    if KEY in value and seal(value, tensors)[KEY] != value[KEY]:
        raise UserError(f"{path} is not as it was written (its SHA-256 differs): damaged or edited; {remedy}")
