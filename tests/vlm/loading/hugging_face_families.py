"""Families that transformers publishes and open_clip does not build: at a tiny size, by the library's own classes."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor
from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel, T5Tokenizer

from tests.vlm.loading.families import Family, spread
from tests.vlm.loading.open_clip_families import write_sentence_pieces


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


HUGGING_FACE_FAMILIES = {f.__name__: f for f in (siglip_model,)}
