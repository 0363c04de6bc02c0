"""Families that transformers publishes and open_clip does not build: at a tiny size, by the library's own classes."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    AlignConfig,
    AlignModel,
    AltCLIPConfig,
    AltCLIPModel,
    BertConfig,
    ChineseCLIPConfig,
    ChineseCLIPModel,
    CLIPVisionConfig,
    FlavaConfig,
    FlavaForPreTraining,
    MetaClip2Config,
    MetaClip2Model,
    PreTrainedModel,
    Siglip2Config,
    Siglip2Model,
    Siglip2Tokenizer,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    T5Tokenizer,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
)

from tests.vlm.loading.families import Family, spread
from tests.vlm.loading.hub_text_families import NUMBERS, SIZES, write_words
from tests.vlm.loading.open_clip_families import write_sentence_pieces
from vlm.loading.siglip import GEMMA


def siglip_model(folder: Path) -> Family:
    """Transformers' SigLIP, as MedSigLIP is published: preprocessing, tokeniser and weights in one folder."""
    tokenizer = T5Tokenizer.from_pretrained(write_sentence_pieces(folder))
    tokenizer.save_pretrained(folder)
    common = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    text = common | {"vocab_size": 60, "max_position_embeddings": 40, "projection_size": 48}
    text |= {"pad_token_id": 1, "bos_token_id": None, "eos_token_id": 1}
    vision = common | {"image_size": 32, "patch_size": 8}
    model = spread(SiglipModel(SiglipConfig(text_config=text, vision_config=vision)))
    model.logit_bias.data.fill_(-10)
    model.logit_scale.data.fill_(3)
    model.save_pretrained(folder)
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)

    def texts(texts: Sequence[str]) -> Tensor:
        clean = [text.lower().replace(".", "").replace("-", "") for text in texts]
        ids = tokenizer(clean, padding="max_length", max_length=40, return_tensors="pt").input_ids
        return model.get_text_features(input_ids=ids).pooler_output

    return Family(str(folder), 32, lambda x: model.get_image_features(pixel_values=x).pooler_output, texts)


def siglip2_naflex(folder: Path) -> Family:
    """SigLIP 2 in the form that takes patches and their places, here of square images; Gemma's kind of tokeniser."""
    vocab = {
        token: i
        for i, token in enumerate(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *"▁abcdefghijklmnopqrstuvwxyz-."])
    }
    ends = {"add_bos_token": False, "add_eos_token": True, "padding_side": "right"}
    tokenizer = Siglip2Tokenizer(vocab=vocab, merges=[], **ends)
    common = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    text = common | {"vocab_size": GEMMA, "max_position_embeddings": 64, "projection_size": 48}
    vision = common | {"num_patches": 16, "patch_size": 8}
    model = spread(Siglip2Model(Siglip2Config(text_config=text, vision_config=vision)))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    def images(x: Tensor) -> Tensor:
        rows = [
            x[:, :, i : i + 8, j : j + 8].permute(0, 2, 3, 1).flatten(1)
            for i in range(0, 32, 8)
            for j in range(0, 32, 8)
        ]
        seen, places = torch.ones(len(x), 16, dtype=torch.long), torch.full((len(x), 2), 4)
        patches = torch.stack(rows, dim=1)
        return model.get_image_features(patches, pixel_attention_mask=seen, spatial_shapes=places).pooler_output

    def texts(texts: Sequence[str]) -> Tensor:
        ids = tokenizer(list(texts), padding="max_length", max_length=64, return_tensors="pt").input_ids
        return model.get_text_features(input_ids=ids).pooler_output

    return Family(str(folder), 32, images, texts, takes_visual_prompts=False)


def first(found: Tensor) -> Tensor:
    """Features, or where a model gives all tokens, those of the first."""
    return found[:, 0] if found.dim() == 3 else found


def pair(folder: Path, model: PreTrainedModel) -> Family:
    """Any of transformers' image-text pairs, with a tokeniser of whole words, as the library saves them."""
    tokenizer = write_words(folder, "<s> $A </s>")
    model = spread(model)
    model.save_pretrained(folder)

    def texts(texts: Sequence[str]) -> Tensor:
        read = tokenizer(list(texts), return_tensors="pt", padding=True)
        found = model.get_text_features(input_ids=read.input_ids, attention_mask=read.attention_mask)
        return first(getattr(found, "pooler_output", found))

    def images(x: Tensor) -> Tensor:
        found = model.get_image_features(pixel_values=x)
        return first(getattr(found, "pooler_output", found))

    return Family(str(folder), 32, images, texts, takes_visual_prompts=False)


PATCHES = {"image_size": 32, "patch_size": 8}


def chinese_clip(folder: Path) -> Family:
    """A BERT read at [CLS] beside CLIP's ViT."""
    text = SIZES | NUMBERS | {"max_position_embeddings": 40}
    return pair(
        folder, ChineseCLIPModel(ChineseCLIPConfig(text_config=text, vision_config=SIZES | PATCHES, projection_dim=24))
    )


def alt_clip(folder: Path) -> Family:
    """An XLM-R with a layer of its own behind it."""
    text = SIZES | NUMBERS | {"max_position_embeddings": 44, "project_dim": 24, "type_vocab_size": 1}
    return pair(folder, AltCLIPModel(AltCLIPConfig(text_config=text, vision_config=SIZES | PATCHES, projection_dim=24)))


def metaclip_2_model(folder: Path) -> Family:
    """CLIP's towers, many languages, read at the end token by its number."""
    text = SIZES | NUMBERS | {"max_position_embeddings": 40}
    return pair(
        folder, MetaClip2Model(MetaClip2Config(text_config=text, vision_config=SIZES | PATCHES, projection_dim=24))
    )


def dual_encoder(folder: Path) -> Family:
    """CLIP's ViT and a BERT with its pooler, put together by a `VisionTextDualEncoder`."""
    text = BertConfig(**SIZES, **NUMBERS, max_position_embeddings=64)
    vision = CLIPVisionConfig(**SIZES, **PATCHES)
    config = VisionTextDualEncoderConfig.from_vision_text_configs(vision, text, projection_dim=24)
    return pair(folder, VisionTextDualEncoderModel(config))


def align(folder: Path) -> Family:
    """An EfficientNet beside a BERT; logits are divided by a temperature."""
    text = SIZES | NUMBERS | {"max_position_embeddings": 40}
    stages = {
        "kernel_sizes": [3, 3],
        "in_channels": [32, 8],
        "out_channels": [8, 24],
        "depthwise_padding": [],
        "strides": [2, 2],
        "num_block_repeats": [1, 1],
        "expand_ratios": [1, 2],
    }
    vision = {"image_size": 32, "width_coefficient": 1.0, "depth_coefficient": 1.0, "hidden_dim": 24, **stages}
    model = AlignModel(AlignConfig(text_config=text, vision_config=vision, projection_dim=24))
    found = pair(folder, model)
    for part in model.vision_model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):  # else images come out nearly alike
            part.weight.data.fill_(4)
    model.save_pretrained(folder)
    return found


def flava(folder: Path) -> Family:
    """Two ViT-like towers whose first tokens are compared, saved as published: with a third tower and heads."""
    text = SIZES | NUMBERS | {"max_position_embeddings": 40}
    config = FlavaConfig(
        text_config=text,
        image_config=SIZES | PATCHES,
        multimodal_config=SIZES,
        image_codebook_config={"hidden_size": 8, "n_init": 8, "num_groups": 2, "input_channels": 3},
        projection_dim=24,
        hidden_size=SIZES["hidden_size"],
    )
    whole = FlavaForPreTraining(config)
    found = pair(folder, whole.flava)
    whole.save_pretrained(folder)
    return found


HUGGING_FACE_FAMILIES = {
    f.__name__: f
    for f in (siglip_model, siglip2_naflex, chinese_clip, alt_clip, metaclip_2_model, dual_encoder, align, flava)
}
