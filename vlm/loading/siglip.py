"""SigLIP and SigLIP 2 in the format of Hugging Face's `SiglipModel` (MedSigLIP): config.json, weights, tokeniser."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import SiglipConfig, SiglipModel

from toolbox.errors import UserError
from vlm.backbone import Backbone
from vlm.loading.hub_words import hub_words
from vlm.loading.weights import fill
from vlm.towers.block import Block, from_hugging_face
from vlm.towers.clip_text import ClipText
from vlm.towers.vision import ViT
from vlm.towers.whole import WholePool

MEAN = STD = (0.5, 0.5, 0.5)
GEMMA = 256000
"""Word pieces of SigLIP 2, whose texts keep their punctuation; those of SigLIP lose it."""


def from_config(
    name: str,
    config: dict,
    preprocess: dict,
    weights: Callable[[], dict[str, Tensor]],
    fetch: Callable[..., Path | None],
) -> Backbone:
    """The backbone of a `SiglipModel`'s configuration.

    Args:
        config: what config.json holds.
        preprocess: mean and std, where they are known.
        weights: gives the checkpoint's tensors; asked for once the architecture is known to fit.
        fetch: gives the first of some file names that the model's source has, or None.

    Raises:
        UserError: it is no SigLIP's, its image tower has no pooling head, or weights or tokeniser are missing or others'.
    """
    try:
        with torch.device("meta"):
            model = SiglipModel(SiglipConfig.from_dict(config))
    except Exception as error:  # of whatever kind the library makes it
        raise UserError(
            f"backbone {name}: its config.json is no SigLIP's ({str(error).partition(chr(10))[0]})"
        ) from error
    if not model.vision_model.use_head:
        raise UserError(f"backbone {name}: its image tower has no pooling head, so it has no feature of a whole image")
    numbers = ("logit_scale", "logit_bias")
    state = {
        key: value.reshape(1) if key in numbers and value.dim() == 0 else value for key, value in weights().items()
    }
    model = fill(model, state, f"backbone {name}")
    text, image = model.text_model, model.vision_model
    options = {"clean": "lower" if text.config.vocab_size == GEMMA else "canonicalize"}
    vocabulary = hub_words(name, "", text.config.max_position_embeddings, options, fetch)
    patches = image.embeddings
    return Backbone(
        name,
        ViT(
            patches.patch_embedding,
            None,
            patches.position_embedding.weight,
            None,
            _blocks(image),
            image.post_layernorm,
            None,
            WholePool(image.head),
        ),
        ClipText(
            text.embeddings.token_embedding.weight,
            text.embeddings.position_embedding.weight,
            _blocks(text),
            text.final_layer_norm,
            text.head,
            vocabulary,
            causal=False,
            read_at="last",
        ),
        model.logit_scale,
        image.config.image_size,
        preprocess.get("mean") or MEAN,
        preprocess.get("std") or STD,
        logit_bias=model.logit_bias,
    )


def _blocks(tower: nn.Module) -> list[Block]:
    heads = tower.config.num_attention_heads
    return [from_hugging_face(layer, heads) for layer in tower.encoder.layers]
