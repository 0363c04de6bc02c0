"""A CLIP of any size with random weights in OpenAI's format, the same for the same seed: for recordings and tests.

Weights are drawn from numpy's RandomState, key by key in sorted order, at the scale each kind of weight has in a trained
model, so that no layer is negligible.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


def shapes(sizes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Key to shape of a ViT CLIP with `sizes`: embed_dim, image_resolution, vision_layers, vision_width,
    vision_patch_size, context_length, vocab_size, transformer_width, transformer_layers."""
    vision, text, patch = sizes["vision_width"], sizes["transformer_width"], sizes["vision_patch_size"]
    out: dict[str, tuple[int, ...]] = {
        "logit_scale": (),
        "positional_embedding": (sizes["context_length"], text),
        "text_projection": (text, sizes["embed_dim"]),
        "token_embedding.weight": (sizes["vocab_size"], text),
        "visual.class_embedding": (vision,),
        "visual.conv1.weight": (vision, 3, patch, patch),
        "visual.positional_embedding": ((sizes["image_resolution"] // patch) ** 2 + 1, vision),
        "visual.proj": (vision, sizes["embed_dim"]),
    }
    norms = {"ln_final": text, "visual.ln_pre": vision, "visual.ln_post": vision}
    for tower, width, layers in (
        ("transformer", text, sizes["transformer_layers"]),
        ("visual.transformer", vision, sizes["vision_layers"]),
    ):
        for block in (f"{tower}.resblocks.{i}" for i in range(layers)):
            norms |= {f"{block}.ln_1": width, f"{block}.ln_2": width}
            out[f"{block}.attn.in_proj_weight"], out[f"{block}.attn.in_proj_bias"] = (3 * width, width), (3 * width,)
            for name, rows, columns in (
                ("attn.out_proj", width, width),
                ("mlp.c_fc", 4 * width, width),
                ("mlp.c_proj", width, 4 * width),
            ):
                out[f"{block}.{name}.weight"], out[f"{block}.{name}.bias"] = (rows, columns), (rows,)
    for norm, width in norms.items():
        out[f"{norm}.weight"] = out[f"{norm}.bias"] = (width,)
    return out


def random_state(sizes: Mapping[str, int], seed: int) -> dict[str, Tensor]:
    """The float32 state dict."""
    rng = np.random.RandomState(seed)
    return {key: torch.from_numpy(_draw(rng, key, shape)) for key, shape in sorted(shapes(sizes).items())}


def _draw(rng: np.random.RandomState, key: str, shape: tuple[int, ...]) -> np.ndarray:
    if key == "logit_scale":
        return np.array(np.log(20.0), dtype=np.float32)
    noise = rng.randn(*shape)
    if ".ln_" in f".{key}" and key.endswith("weight"):
        value = 1 + 0.2 * noise
    elif key.endswith(".bias"):
        value = 0.05 * noise
    elif "embedding" in key:
        value = 0.3 * noise
    else:
        # The projections' common bias has no name of its own ending in ".bias": it is drawn as a weight of its length.
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else shape[0]
        value = noise / np.sqrt(fan_in)
    return value.astype(np.float32)
