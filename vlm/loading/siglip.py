"""SigLIP and SigLIP 2 in the format of Hugging Face's `SiglipModel` (MedSigLIP) and `Siglip2Model` (NaFlex)."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import Siglip2Config, Siglip2Model, SiglipConfig, SiglipModel

from toolbox.errors import UserError
from vlm.backbone import Backbone
from vlm.loading.hub_words import hub_words
from vlm.loading.weights import fill
from vlm.towers.block import Block, from_hugging_face
from vlm.towers.clip_text import ClipText
from vlm.towers.vision import ViT
from vlm.towers.whole import WholeImage, WholePool

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
    """The backbone of a `SiglipModel`'s or `Siglip2Model`'s configuration.

    Args:
        config: what config.json holds.
        preprocess: mean and std, where they are known.
        weights: gives the checkpoint's tensors; asked for once the architecture is known to fit.
        fetch: gives the first of some file names that the model's source has, or None.

    Raises:
        UserError: it is no SigLIP's, its image tower has no pooling head, or weights or tokeniser are missing or others'.
    """
    kind, known = (Siglip2Model, Siglip2Config) if config["model_type"] == "siglip2" else (SiglipModel, SiglipConfig)
    try:
        with torch.device("meta"):
            model = kind(known.from_dict(config))
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
    text = model.text_model
    options = {"clean": "lower" if text.config.vocab_size == GEMMA else "canonicalize"}
    vocabulary = hub_words(name, "", text.config.max_position_embeddings, options, fetch)
    tower = ClipText(
        text.embeddings.token_embedding.weight,
        text.embeddings.position_embedding.weight,
        _blocks(text),
        text.final_layer_norm,
        text.head,
        vocabulary,
        causal=False,
        read_at="last",
    )
    image, size = _naflex(model.vision_model) if kind is Siglip2Model else _vit(model.vision_model)
    mean, std = preprocess.get("mean") or MEAN, preprocess.get("std") or STD
    return Backbone(name, image, tower, model.logit_scale, size, mean, std, logit_bias=model.logit_bias)


def _vit(image: nn.Module) -> tuple[ViT, int]:
    """The image tower opened up, and the pixels a side of its images."""
    patches = image.embeddings
    embedding = (patches.patch_embedding, None, patches.position_embedding.weight, None)
    tower = ViT(*embedding, _blocks(image), image.post_layernorm, None, WholePool(image.head))
    return tower, image.config.image_size


def _naflex(image: nn.Module) -> tuple[WholeImage, int]:
    """The tower that takes patches and their places, for square images with as many patches as it has positions."""
    side = round(image.config.num_patches**0.5) * image.config.patch_size
    return WholeImage(Patches(image)), side


class Patches(nn.Module):
    """Images (batch, 3, side, side) as the patches that a `Siglip2VisionModel` reads; its pooled features."""

    kind = "NaFlex"

    def __init__(self, image: nn.Module) -> None:
        super().__init__()
        self.image = image

    def forward(self, images: Tensor) -> Tensor:
        p = self.image.config.patch_size
        grid = images.shape[-1] // p
        patches = (
            images.unflatten(3, (grid, p)).unflatten(2, (grid, p)).permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
        )
        seen = torch.ones(patches.shape[:2], dtype=torch.long, device=images.device)
        places = torch.full((len(images), 2), grid, dtype=torch.long, device=images.device)
        return self.image(patches, seen, places).pooler_output


def _blocks(tower: nn.Module) -> list[Block]:
    heads = tower.config.num_attention_heads
    return [from_hugging_face(layer, heads) for layer in tower.encoder.layers]
