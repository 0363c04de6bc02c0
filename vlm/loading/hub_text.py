"""Hugging Face's text tower of an open_clip checkpoint (BiomedCLIP's BERT): its configuration, tokeniser and weights."""

from collections.abc import Callable
from pathlib import Path

import torch
from open_clip.tokenizer import get_clean_fn
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    BertConfig,
    BertModel,
    BertTokenizerFast,
    PretrainedConfig,
    RobertaModel,
    XLMRobertaModel,
)

from toolbox.errors import UserError
from vlm.loading import hub
from vlm.loading.hub_words import hub_words
from vlm.loading.weights import fill
from vlm.towers.bert import BertText
from vlm.towers.text import TextTower
from vlm.towers.tokens import Vocabulary
from vlm.towers.whole_text import WholeText, first_pool, max_pool, mean_pool, own_pool

# PubMedBERT has BERT-base's sizes and was renamed; knowing that saves a second repository.
BERT_BASE = (
    "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract",
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
    "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract-fulltext",
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext",
)
POOLS = {
    "cls_last_hidden_state_pooler": first_pool,
    "cls_pooler": own_pool,
    "mean_pooler": mean_pool,
    "max_pooler": max_pool,
}
OPENED = {"bert": BertModel, "roberta": RobertaModel, "xlm-roberta": XLMRobertaModel}
"""Towers of BERT's layers, which prompts can enter at any of them."""
TOKENIZER = ("tokenizer.json", "vocab.txt")


class WordPieces(Vocabulary):
    """A BERT vocabulary, for `vlm.towers.tokens.NameTokens`."""

    def __init__(self, tokenizer: BertTokenizerFast, context_length: int, clean: Callable[[str], str] = str) -> None:
        self.tokenizer, self.context_length, self.clean = tokenizer, context_length, clean
        self.start, self.end = tokenizer.cls_token_id, tokenizer.sep_token_id

    def encode(self, text: str) -> list[int]:
        """Word pieces of `text` alone, without [CLS] and [SEP]."""
        return self.tokenizer.encode(self.clean(text), add_special_tokens=False, verbose=False)

    def decode(self, token: int) -> str:
        return self.tokenizer.convert_ids_to_tokens(token)


def hub_tower(
    name: str, text_cfg: dict, embed_dim: int, state: dict[str, Tensor], fetch: Callable[..., Path | None] | None
) -> TextTower:
    """The text tower over weights in open_clip's names for a Hugging Face tower (`transformer.*`, `proj.*`).

    Args:
        text_cfg: open_clip's.
        fetch: gives the first of some file names that the model's source has, or None.

    Raises:
        UserError: its tokeniser or configuration cannot be had or built, or weights do not fit.
    """
    config = _config(name, text_cfg["hf_model_name"])
    pooler = text_cfg.get("hf_pooler_type") or ("cls_pooler" if config.model_type == "bert" else "mean_pooler")
    if pooler not in POOLS:
        raise UserError(f"backbone {name}: its text tower is read by a {pooler}; known are {', '.join(POOLS)}")
    opened = config.model_type in OPENED and pooler != "max_pooler"
    inside = {key.removeprefix("transformer."): v for key, v in state.items() if key.startswith("transformer.")}
    encoder = fill(_encoder(name, config, pooler, opened), inside, f"backbone {name}, text tower")
    outside = {key.removeprefix("proj."): v for key, v in state.items() if not key.startswith("transformer.")}
    projection = _projection(name, text_cfg.get("hf_proj_type"), config.hidden_size, embed_dim, outside)
    projection = fill(projection, outside, f"backbone {name}, projection")
    vocabulary = _vocabulary(name, text_cfg, config, fetch)
    if opened:
        return BertText(encoder, projection, embed_dim, vocabulary, "mean" if pooler == "mean_pooler" else "first")
    return WholeText(encoder, POOLS[pooler], projection, embed_dim, vocabulary)


def _encoder(name: str, config: PretrainedConfig, pooler: str, opened: bool) -> nn.Module:
    if opened:
        with torch.device("meta"):
            bert = OPENED[config.model_type](config, add_pooling_layer=pooler == "cls_pooler")
        # Masks and position numbers are made when needed; a module without memory must not keep them.
        bert.embeddings.position_ids = bert.embeddings.token_type_ids = None
        return bert
    try:
        model = AutoModel.from_config(config)
    except Exception as error:  # of whatever kind the library makes it
        raise UserError(f"backbone {name}: transformers cannot build its text tower ({error})") from error
    return model.get_encoder() if config.is_encoder_decoder else model


def _vocabulary(
    name: str, text_cfg: dict, config: PretrainedConfig, fetch: Callable[..., Path | None] | None
) -> Vocabulary:
    options = text_cfg.get("tokenizer_kwargs") or {}
    length = text_cfg.get("context_length", 77)
    if config.model_type == "bert":
        clean = get_clean_fn(options.get("clean", "whitespace"))
        return word_pieces(name, text_cfg, min(length, config.max_position_embeddings), fetch, clean)
    room = getattr(config, "max_position_embeddings", None) or length
    if config.model_type in OPENED:
        room -= config.pad_token_id + 1
    source = text_cfg.get("hf_tokenizer_name") or text_cfg["hf_model_name"]
    vocabulary = hub_words(name, source, min(length, room), options, fetch)
    vocabulary.fill = None  # padding is masked
    return vocabulary


def word_pieces(name: str, text_cfg: dict, length: int, fetch: Callable[..., Path | None], clean=str) -> WordPieces:
    """The tokeniser that lies beside the weights, else the one that the configuration names.

    Raises:
        UserError: there is none.
    """
    source = text_cfg.get("hf_tokenizer_name") or text_cfg.get("hf_model_name", "")
    path = fetch(*TOKENIZER) if fetch is not None else None
    if path is None and Path(source).is_dir():
        path = next((Path(source) / file for file in TOKENIZER if (Path(source) / file).is_file()), None)
    elif path is None and source:
        path = hub.fetch(source, *TOKENIZER)
        hub.fetch(source, "tokenizer_config.json")
    if path is None:
        raise UserError(
            f"backbone {name}: no tokeniser ({' or '.join(TOKENIZER)}) beside its weights, nor at {source!r}"
        )
    if fetch is not None:
        fetch("tokenizer_config.json")
    return WordPieces(BertTokenizerFast.from_pretrained(path.parent), length, clean)


def _config(name: str, model: str) -> PretrainedConfig:
    if model in BERT_BASE:
        return BertConfig()
    path = Path(model) / "config.json" if Path(model).is_dir() else hub.fetch(model, "config.json")
    if path is None or not path.is_file():
        raise UserError(f"backbone {name}: no config.json of its text tower at {model}")
    try:
        return AutoConfig.from_pretrained(path.parent)
    except Exception as error:  # of whatever kind the library makes it
        raise UserError(f"backbone {name}: {path} describes no tower that transformers knows ({error})") from error


def _projection(name: str, kind: str | None, width: int, embed_dim: int, state: dict[str, Tensor]) -> nn.Module:
    """What open_clip puts behind a tower; where its configuration says nothing, the weights do."""
    kind = kind or ("mlp" if "0.weight" in state else "linear" if "weight" in state else None)
    with torch.device("meta"):
        if kind == "mlp":
            hidden = (width + embed_dim) // 2
            layers = [nn.Linear(width, hidden, bias=False), nn.GELU(), nn.Linear(hidden, embed_dim, bias=False)]
            return nn.Sequential(*layers)
        if kind == "linear":
            return nn.Linear(width, embed_dim, bias=False)
    if not kind and width == embed_dim:
        return nn.Identity()
    raise UserError(f"backbone {name}: its text projection {kind!r} from {width} to {embed_dim} is not supported")
