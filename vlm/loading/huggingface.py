"""Backbones in Hugging Face's format: a `CLIPModel` (PubMedCLIP), a `SiglipModel`, or another image-text pair."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPConfig

from toolbox.errors import UserError
from toolbox.names import check_name
from vlm.backbone import Backbone
from vlm.loading import hub_pair, siglip
from vlm.loading.openclip import build, read_json
from vlm.loading.weights import read_weights

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
INDEXES = tuple(f"{file}.index.json" for file in WEIGHTS)
"""Beside weights in several files: which tensor is in which."""
VOCABULARY = 49408  # CLIP's; another size is another tokeniser

_OUTSIDE = {
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "text_projection.weight": "text_projection",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
    "visual_projection.weight": "visual.proj",
    "logit_scale": "logit_scale",
}
_TOWERS = {
    "text_model.encoder.layers": "transformer.resblocks",
    "vision_model.encoder.layers": "visual.transformer.resblocks",
}
_LAYERS = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def from_folder(name: str, folder: Path, fetch: Callable[..., Path | None]) -> Backbone:
    """A folder in the form in which transformers saves a model of images and texts.

    Args:
        fetch: gives the first of some file names that the model's source has, or None.

    Raises:
        UserError: a file is missing, it is no image-text pair, or the weights are another architecture's.
    """
    config = read_json(folder / CONFIG)
    kind = config.get("model_type")

    def weights() -> dict[str, Tensor]:
        path = fetch(*WEIGHTS)
        if path is not None:
            return read_weights(path)
        index = fetch(*INDEXES)
        if index is not None:
            return read_shards(name, index, fetch)
        expected = " or ".join((*WEIGHTS, *INDEXES))
        raise UserError(f"backbone {name}: no weights beside {folder / CONFIG}; expected {expected}")

    found = fetch("preprocessor_config.json")
    preprocess = read_json(found) if found is not None else {}
    preprocess = {"mean": preprocess.get("image_mean"), "std": preprocess.get("image_std")}
    if kind in ("siglip", "siglip2"):
        return siglip.from_config(name, config, preprocess, weights, fetch)
    opened = _as_open_clip(name, config, folder) if kind == "clip" else None
    if opened is None:
        return hub_pair.from_config(name, folder, preprocess, weights, fetch)
    return build(name, opened, preprocess, lambda: openai_names(weights()))


def _as_open_clip(name: str, config: dict, folder: Path) -> dict | None:
    """The architecture of a `CLIPModel` in open_clip's words; None if it has another tokeniser or two activations."""
    try:
        config = CLIPConfig.from_dict(config)
    except Exception as error:  # of whatever kind the library makes it
        raise UserError(f"backbone {name}: {folder / CONFIG} is no CLIP's ({error})") from error
    activations = {config.vision_config.hidden_act, config.text_config.hidden_act}
    if config.text_config.vocab_size != VOCABULARY or activations not in ({"quick_gelu"}, {"gelu"}):
        return None
    return open_clip_config(config)


def read_shards(name: str, index: Path, fetch: Callable[..., Path | None]) -> dict[str, Tensor]:
    """Weights that lie in several files, which `index` names.

    Raises:
        UserError: the index is none, or a file or a tensor that it names is missing.
    """
    where = read_json(index).get("weight_map")
    if not isinstance(where, dict) or not where or not all(isinstance(file, str) for file in where.values()):
        raise UserError(f"backbone {name}: {index} has no weight_map of tensors to files")
    state: dict[str, Tensor] = {}
    for file in sorted(set(where.values())):
        path = fetch(check_name(file, f"{index.name}: the file"))
        if path is None:
            raise UserError(f"backbone {name}: no {file}, which {index} names; fetch it too")
        state |= read_weights(path)
    missing = [key for key in where if key not in state]
    if missing:
        raise UserError(f"backbone {name}: {where[missing[0]]} lacks {missing[0]}, which {index} names; fetch it again")
    return state


def open_clip_config(config: CLIPConfig) -> dict:
    """The same architecture in open_clip's words."""
    vision, text = config.vision_config, config.text_config

    def common(part) -> dict:
        return {
            "width": part.hidden_size,
            "layers": part.num_hidden_layers,
            "mlp_ratio": part.intermediate_size / part.hidden_size,
            "norm_kwargs": {"eps": part.layer_norm_eps},
        }

    return {
        "embed_dim": config.projection_dim,
        "quick_gelu": text.hidden_act == "quick_gelu",
        "vision_cfg": {
            **common(vision),
            "head_width": vision.hidden_size // vision.num_attention_heads,
            "patch_size": vision.patch_size,
            "image_size": vision.image_size,
        },
        "text_cfg": {
            **common(text),
            "heads": text.num_attention_heads,
            "context_length": text.max_position_embeddings,
            "vocab_size": text.vocab_size,
        },
    }


def openai_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a `CLIPModel` under OpenAI's names; its three projections of attention become one.

    A name that is not a CLIPModel's is kept, so that whoever fills the model finds it too many.
    """
    out: dict[str, Tensor] = {}
    projections: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        tower = next((t for t in _TOWERS if key.startswith(f"{t}.")), None)
        if tower is None:
            turned = key in ("text_projection.weight", "visual_projection.weight")
            out[_OUTSIDE.get(key, key)] = value.T if turned else value
            continue
        number, inner = key.removeprefix(f"{tower}.").split(".", 1)
        block, (layer, kind) = f"{_TOWERS[tower]}.{number}", inner.rsplit(".", 1)
        if layer in _LAYERS:
            out[f"{block}.{_LAYERS[layer]}.{kind}"] = value
        elif layer in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"):
            projections.setdefault(f"{block}.attn.in_proj_{kind}", {})[layer[10]] = value
        else:
            out[key] = value
    for key, parts in projections.items():
        if set(parts) == set("qkv"):  # otherwise it is missed where the model is filled
            out[key] = torch.cat([parts[letter] for letter in "qkv"])
    return out
