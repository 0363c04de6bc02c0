"""A tiny BERT text tower, and its prompted features by transformers' own layers, one full sequence a class at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from vlm.towers.bert import BertText
from vlm.towers.block import unit
from vlm.towers.tokens import Vocabulary

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "photo", "of", "cell", "lung", "skin", "red", "white", ".", "##s"]


class Words(Vocabulary):
    """A vocabulary of a few words, split at blanks and full stops."""

    start, end, context_length = 2, 3, 32

    def encode(self, text: str) -> list[int]:
        return [WORDS.index(word) for word in text.replace(".", " .").split()]

    def decode(self, token: int) -> str:
        return WORDS[token]


def tiny_bert(layers: int = 3, pooler: bool = False) -> tuple[BertModel, BertText]:
    """A random BERT and the tower over it."""
    torch.manual_seed(layers)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=32,
        initializer_range=0.3,
    )
    bert = BertModel(config, add_pooling_layer=pooler).eval().requires_grad_(False)
    for norm in (m for m in bert.modules() if isinstance(m, nn.LayerNorm)):
        norm.weight.normal_(1, 0.2)
        norm.bias.normal_(0, 0.2)
    projection = nn.Linear(32, 16, bias=False).requires_grad_(False)
    return bert, BertText(bert, projection, 16, Words())


def reference(bert: BertModel, text: BertText, words: Tensor, deep: Sequence[Tensor] = ()) -> Tensor:
    """Normalised feature (embed_dim,) of one sequence of word embeddings (length, width).

    `deep[i]` (n, width) is put in place of positions 1 to n before layer i + 1.
    """
    x = bert.embeddings(inputs_embeds=words[None])
    for i, layer in enumerate(bert.encoder.layer):
        if 0 < i <= len(deep):
            x = torch.cat([x[:, :1], deep[i - 1][None], x[:, 1 + len(deep[i - 1]) :]], dim=1)
        x = layer(x)
        x = x[0] if isinstance(x, tuple) else x
    cls = x[:, 0] if bert.pooler is None else bert.pooler(x)
    return unit(text.projection(cls))[0]
