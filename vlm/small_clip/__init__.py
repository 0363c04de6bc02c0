"""A small CLIP for the blood-smear phantom, in OpenAI's format: committed weights, read without any download.

The file holds both towers in half precision and only those rows of the token embedding that training touched; the other
rows of CLIP's vocabulary are a seeded draw, done again at each load.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

WEIGHTS = Path(__file__).with_name("weights.safetensors")


def state_dict(path: Path = WEIGHTS) -> dict[str, torch.Tensor]:
    """The whole state dict, float32, under OpenAI's key names; the same on every machine.

    `token_embedding.weight` (49408, 128): row `token_ids[i]` is `token_rows[i]`, the rest normal with the file's `rest_std`.
    """
    with safe_open(path, "pt") as file:
        meta = file.metadata()
        state = {key: file.get_tensor(key).float() for key in file.keys() if not key.startswith("token_")}  # noqa: SIM118
        ids, rows = file.get_tensor("token_ids").long(), file.get_tensor("token_rows").float()
    draw = np.random.RandomState(int(meta["rest_seed"])).standard_normal((int(meta["vocabulary"]), rows.shape[1]))
    embedding = torch.from_numpy((draw * float(meta["rest_std"])).astype(np.float32))
    embedding[ids] = rows
    state["token_embedding.weight"] = embedding
    return state
