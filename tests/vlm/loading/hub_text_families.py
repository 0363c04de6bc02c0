"""CLIPs whose text tower is a Hugging Face model, at a tiny size: RoBERTa, XLM-R, mT5, NLLB, ModernBERT."""

from collections.abc import Sequence
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from transformers import (
    AutoModel,
    M2M100Config,
    ModernBertConfig,
    MT5Config,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
)

from tests.vlm.loading.families import VISION, WORDS, Family, spread, write_config

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "en"]
VOCAB = {word: i for i, word in enumerate([*SPECIAL, *WORDS.replace("##", "").split()[5:]])}
SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
NUMBERS = {"vocab_size": len(VOCAB), "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}


def write_words(folder: Path, template: str) -> PreTrainedTokenizerFast:
    """A tokeniser of whole words that puts special tokens around a text as `template` says."""
    inner = Tokenizer(models.WordLevel(VOCAB, unk_token="<unk>"))
    inner.normalizer, inner.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    around = [(token, VOCAB[token]) for token in SPECIAL]
    inner.post_processor = processors.TemplateProcessing(single=template, special_tokens=around)
    named = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **named)
    tokenizer.save_pretrained(folder)
    return tokenizer


def hub_text(folder: Path, config: PretrainedConfig, pooler: str | None, template: str = "<s> $A </s>") -> Family:
    """A CustomTextCLIP with a ViT and the text tower of `config`, by open_clip's own class."""
    config.save_pretrained(folder / "text")
    write_words(folder / "text", template)
    text = {"hf_model_name": str(folder / "text"), "hf_tokenizer_name": str(folder / "text"), "hf_proj_type": "mlp"}
    text |= {"hf_model_pretrained": False, "context_length": 40, "hf_pooler_type": pooler}
    cfg = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": text}
    model = spread(open_clip.CustomTextCLIP(**cfg))
    save_file({k: v.clone() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    write_config(folder, cfg)
    tokens = open_clip.tokenizer.HFTokenizer(str(folder / "text"), 40)
    return Family(str(folder), 32, model.encode_image, lambda texts: model.encode_text(tokens(list(texts))))


def roberta(folder: Path) -> Family:
    """Read by a mean; positions begin behind that of the padding."""
    return hub_text(folder, RobertaConfig(**SIZES, **NUMBERS, max_position_embeddings=44, type_vocab_size=1), None)


def xlm_roberta(folder: Path) -> Family:
    """Read by its own pooler."""
    config = XLMRobertaConfig(**SIZES, **NUMBERS, max_position_embeddings=44, type_vocab_size=1)
    return hub_text(folder, config, "cls_pooler")


def mt5(folder: Path) -> Family:
    """The encoder of an encoder-decoder, relative positions, no start token, read by a mean."""
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 3, "num_heads": 4, "vocab_size": len(VOCAB)}
    return hub_text(folder, MT5Config(**sizes, pad_token_id=1, eos_token_id=2), "mean_pooler", "$A </s>")


def nllb(folder: Path) -> Family:
    """The encoder of a translator; a language stands before the text and is read."""
    sizes = {"d_model": 32, "encoder_layers": 3, "encoder_attention_heads": 4, "encoder_ffn_dim": 64}
    sizes |= {"decoder_layers": 1, "decoder_attention_heads": 4, "decoder_ffn_dim": 64, "max_position_embeddings": 44}
    return hub_text(folder, M2M100Config(**sizes, **NUMBERS), "cls_pooler", "en $A </s>")


class ModernText(nn.Module):
    """ModernBERT, which open_clip does not build, put together as it builds others."""

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__()
        self.transformer, self.proj = AutoModel.from_config(config), nn.Linear(config.hidden_size, 24, bias=False)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        states = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.proj((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))


def modernbert(folder: Path) -> Family:
    """Rotary positions, windows of attention, gated MLPs; read by a mean."""
    numbers = NUMBERS | {"cls_token_id": 0, "sep_token_id": 2}
    config = ModernBertConfig(**SIZES, **numbers, max_position_embeddings=64, local_attention=8)
    config.save_pretrained(folder / "text")
    tokenizer = write_words(folder / "text", "<s> $A </s>")
    text = {"hf_model_name": str(folder / "text"), "hf_pooler_type": "mean_pooler", "hf_proj_type": "linear"}
    write_config(folder, {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": text | {"context_length": 40}})
    tower = spread(ModernText(config))
    clip = spread(open_clip.CLIP(24, vision_cfg=VISION, text_cfg={"layers": 1, "width": 16, "heads": 1}))
    state = {f"visual.{key}": value for key, value in clip.visual.state_dict().items()}
    state |= {f"text.{key}": value for key, value in tower.state_dict().items()}
    save_file({**state, "logit_scale": torch.tensor(3.0)}, folder / "open_clip_model.safetensors")

    def texts(texts: Sequence[str]) -> Tensor:
        read = tokenizer(list(texts), return_tensors="pt", padding=True)
        return tower(read.input_ids, read.attention_mask)

    return Family(str(folder), 32, clip.encode_image, texts)


HUB_TEXT_FAMILIES = {f.__name__: f for f in (roberta, xlm_roberta, mt5, nllb, modernbert)}
