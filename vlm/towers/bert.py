"""BERT text towers with prompts put in: BiomedCLIP's, read at [CLS], and RoBERTas, read by a mean.

Every token sees every other, so what holds for a causal tower fails here: the context cannot be computed once for all
classes, and [CLS] changes with everything behind it. What remains exact:

* Prompts end at [SEP]; padding is never computed.
* Where a layer's prompts are thrown away before the next layer, nobody reads their output, so they enter as keys and
  values alone, once for all classes.
* After the last layer only [CLS] is read, so that layer asks one query a class (not where the mean is read).
"""

import torch
from torch import Tensor, nn

from vlm.towers.block import Attending, LayerNorm, unit
from vlm.towers.text import TextTower
from vlm.towers.tokens import Vocabulary


class BertBlock(Attending):
    """One frozen post-norm layer over a transformers `BertLayer`; the same parts as `vlm.towers.block.Block`."""

    eps_before = None  # nothing is normalised before attention

    def __init__(self, layer: nn.Module, heads: int) -> None:
        super().__init__()
        attention = layer.attention
        projections = (attention.self.query, attention.self.key, attention.self.value)
        self.in_weight = nn.Parameter(torch.cat([p.weight for p in projections]).detach())
        self.in_bias = nn.Parameter(torch.cat([p.bias for p in projections]).detach())
        self.out_proj, self.ln_1 = attention.output.dense, LayerNorm(attention.output.LayerNorm)
        self.fc, self.activation = layer.intermediate.dense, layer.intermediate.intermediate_act_fn
        self.proj, self.ln_2 = layer.output.dense, LayerNorm(layer.output.LayerNorm)
        self.heads = heads

    def reading(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of `kv`, in float32."""
        return self.in_weight[self.width :].float(), self.in_bias[self.width :].float()

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """Tokens x (..., width) after the layer, given what each attended to (..., width)."""
        x = self.ln_1(x + self.merged(attended))
        return self.ln_2(x + self.proj(self.activation(self.fc(x))))


class BertText(TextTower):
    """The frozen text tower.

    Args:
        bert: a transformers `BertModel` or `RobertaModel`; its pooler (a linear layer and tanh on [CLS]) is applied if it has
            one.
        projection: from its width to the joint embedding, (..., width) -> (..., embed_dim).
        embed_dim: width of the joint embedding.
        vocabulary: the tokeniser that belongs to it.
        read_at: `first`, that is at [CLS], or `mean`.
    """

    causal = False

    def __init__(
        self, bert: nn.Module, projection: nn.Module, embed_dim: int, vocabulary: Vocabulary, read_at: str = "first"
    ) -> None:
        super().__init__()
        embeddings, self.read_at = bert.embeddings, read_at
        self.token_embedding = embeddings.word_embeddings.weight
        positions = embeddings.position_embeddings.weight
        first = getattr(embeddings, "padding_idx", -1) + 1  # RoBERTa's positions begin behind that of its padding
        self.positional_embedding = nn.Parameter(positions[first:].detach()) if first else positions
        self.type_embedding = embeddings.token_type_embeddings.weight
        self.ln_embedding = LayerNorm(embeddings.LayerNorm)
        heads = bert.config.num_attention_heads
        self.blocks = nn.ModuleList(BertBlock(layer, heads) for layer in bert.encoder.layer)
        self.pooler = bert.pooler.dense if bert.pooler is not None else None
        self.projection, self.embed_dim = projection, embed_dim
        self.vocabulary = vocabulary

    def enter(self, words: Tensor, where: slice | Tensor) -> Tensor:
        """Tokens of the first layer from word embeddings or prompts (..., width) at positions `where`, as BERT makes them."""
        return self.ln_embedding(words + self.type_embedding[0] + self.positional_embedding[where])

    def project(self, x: Tensor, normalised: bool = True) -> Tensor:
        """[CLS] tokens or means (..., width) to text features (..., embed_dim), L2-normalised unless told otherwise."""
        features = self.projection(x if self.pooler is None else self.pooler(x).tanh())
        return unit(features) if normalised else features.float()
