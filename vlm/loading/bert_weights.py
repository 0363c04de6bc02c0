"""The BERT text tower of an open_clip checkpoint (BiomedCLIP): its configuration, tokeniser and weights."""

from collections.abc import Callable
from pathlib import Path

import torch
from open_clip.tokenizer import get_clean_fn
from torch import Tensor, nn
from transformers import BertConfig, BertModel, BertTokenizerFast

from toolbox.errors import UserError
from vlm.loading import hub
from vlm.loading.weights import fill
from vlm.towers.bert import BertText
from vlm.towers.tokens import Vocabulary

# PubMedBERT has BERT-base's sizes and was renamed; knowing that saves a second repository.
BERT_BASE = (
    "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract",
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
    "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract-fulltext",
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext",
)
POOLERS = {"cls_last_hidden_state_pooler": False, "cls_pooler": True}  # whether BERT's own pooler follows
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


def bert_tower(
    name: str, text_cfg: dict, embed_dim: int, state: dict[str, Tensor], fetch: Callable[..., Path | None]
) -> BertText:
    """The text tower over weights in open_clip's names for a Hugging Face tower (`transformer.*`, `proj.*`).

    Args:
        text_cfg: open_clip's.
        fetch: gives the first of some file names that the model's source has, or None.

    Raises:
        UserError: it is no BERT read at [CLS], its tokeniser or configuration cannot be had, or weights do not fit.
    """
    pooler = check_bert(name, text_cfg)
    config = _config(name, text_cfg["hf_model_name"])
    inside = {key.removeprefix("transformer."): v for key, v in state.items() if key.startswith("transformer.")}
    with torch.device("meta"):
        bert = BertModel(config, add_pooling_layer=POOLERS[pooler])
    # Masks and position numbers are made when needed; a module without memory must not keep them.
    bert.embeddings.position_ids = bert.embeddings.token_type_ids = None
    bert = fill(bert, inside, f"backbone {name}, text tower")
    projection = _projection(name, text_cfg.get("hf_proj_type", "mlp"), config.hidden_size, embed_dim)
    outside = {key: v for key, v in state.items() if not key.startswith("transformer.")}
    projection = fill(
        projection, {k.removeprefix("proj."): v for k, v in outside.items()}, f"backbone {name}, projection"
    )
    length = min(text_cfg.get("context_length", 77), config.max_position_embeddings)
    clean = (text_cfg.get("tokenizer_kwargs") or {}).get("clean", "whitespace")
    return BertText(bert, projection, embed_dim, word_pieces(name, text_cfg, length, fetch, get_clean_fn(clean)))


def check_bert(name: str, text_cfg: dict) -> str:
    """How the tower is read, one of `POOLERS`; UserError if it is read in another way."""
    pooler = text_cfg.get("hf_pooler_type") or "mean_pooler"
    if pooler not in POOLERS:
        raise UserError(
            f"backbone {name}: its text tower {text_cfg['hf_model_name']} is read by a {pooler}; supported are BERTs read by "
            f"a {' or a '.join(POOLERS)}"
        )
    return pooler


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


def _config(name: str, model: str) -> BertConfig:
    if model in BERT_BASE:
        return BertConfig()
    path = Path(model) / "config.json" if Path(model).is_dir() else hub.fetch(model, "config.json")
    if path is None or not path.is_file():
        raise UserError(f"backbone {name}: no config.json of its text tower at {model}")
    config = BertConfig.get_config_dict(path.parent)[0]
    if config.get("model_type") != "bert":
        raise UserError(f"backbone {name}: its text tower is a {config.get('model_type')}, not a BERT: not supported")
    return BertConfig.from_dict(config)


def _projection(name: str, kind: str | None, width: int, embed_dim: int) -> nn.Module:
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
