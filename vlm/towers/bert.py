"""BiomedCLIP's text tower: a BERT read at [CLS], with prompts put in.

Every token sees every other, so what holds for a causal tower fails here: the context cannot be computed once for all
classes, and [CLS] changes with everything behind it. What remains exact:

* Prompts end at [SEP]; padding is never computed.
* Where a layer's prompts are thrown away before the next layer, nobody reads their output, so they enter as keys and
  values alone, once for all classes.
* After the last layer only [CLS] is read, so that layer asks one query a class.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlm.towers.attention import Keys, Own, Shared, attend
from vlm.towers.block import LayerNorm, unit
from vlm.towers.ragged import Ragged
from vlm.towers.text import ContextLayout, TextTower
from vlm.towers.tokens import Vocabulary


class BertBlock(nn.Module):
    """One frozen post-norm layer over a transformers `BertLayer`; the same parts as `vlm.towers.block.Block`."""

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

    @property
    def width(self) -> int:
        return self.in_weight.shape[1]

    def _projected(self, x: Tensor, which: slice) -> tuple[Tensor, ...]:
        out = F.linear(x, self.in_weight[which], self.in_bias[which])
        return tuple(part.unflatten(-1, (self.heads, -1)) for part in out.split(self.width, dim=-1))

    def qkv(self, x: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values of tokens x (..., width), each (..., heads, head_dim)."""
        return self._projected(x, slice(None))

    def kv(self, x: Tensor) -> tuple[Tensor, ...]:
        """Keys and values alone."""
        return self._projected(x, slice(self.width, None))

    def q(self, x: Tensor) -> Tensor:
        """Queries alone."""
        return self._projected(x, slice(self.width))[0]

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """Tokens x (..., width) after the layer, given what each attended to (..., heads, head_dim)."""
        x = self.ln_1(x + self.out_proj(attended.flatten(-2)))
        return self.ln_2(x + self.proj(self.activation(self.fc(x))))


class BertText(TextTower):
    """The frozen text tower.

    Args:
        bert: a transformers `BertModel`; its pooler (a linear layer and tanh on [CLS]) is applied if it has one.
        projection: from its width to the joint embedding, (..., width) -> (..., embed_dim).
        embed_dim: width of the joint embedding.
        vocabulary: the tokeniser that belongs to it.
    """

    causal = False

    def __init__(self, bert: nn.Module, projection: nn.Module, embed_dim: int, vocabulary: Vocabulary) -> None:
        super().__init__()
        embeddings = bert.embeddings
        self.token_embedding = embeddings.word_embeddings.weight
        self.positional_embedding = embeddings.position_embeddings.weight
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

    def prefix(self, ctx: Tensor, deep: Tensor | None = None) -> list[Shared]:
        """Keys and values of the context in the layers that only read it: those whose successor replaces it.

        Args:
            ctx: (n_ctx, width) or (batch, n_ctx, width), at positions 1 to n_ctx; with fewer deep vectors, as many of it.
            deep: (layers - 1, n_ctx, width), which stand in the context's place before layers 1, 2, ...; raw.
        """
        ctx = (ctx if ctx.dim() == 3 else ctx[None]).to(self.dtype)
        prompts = [self.enter(ctx, slice(1, 1 + ctx.shape[1])), *(d[None].to(self.dtype) for d in _some(deep))]
        return [Shared(*block.kv(x)) for block, x in zip(self.blocks, prompts[: self.reading(deep)], strict=False)]

    def reading(self, deep: Sequence[Tensor] | Tensor | None) -> int:
        """How many layers only read the context. The last layer does in any case, since [CLS] alone is read behind it."""
        layers = min(len(_some(deep)), self.depth - 1)
        return layers + (layers == self.depth - 1)

    def run(self, x: Tensor, ragged: Ragged, layers: range, extra: Sequence[Sequence[Keys]] = ()) -> Tensor:
        """Run tokens through `layers`; each class's tokens see each other and the keys in `extra[layer]`.

        Args:
            x: (batch or 1, total, width) packed as `ragged` says; each class begins with [CLS].

        Returns:
            After the last layer the [CLS] tokens, (batch, n_cls, width); otherwise all tokens, (batch, total, width).
        """
        first = _starts(ragged)
        padding = torch.arange(ragged.longest, device=x.device) > (ragged.last - first)[:, None]
        mask = torch.zeros(padding.shape, device=x.device).masked_fill_(padding, float("-inf"))[:, None, None]
        for i in layers:
            block = self.blocks[i]
            parts = extra[i] if i < len(extra) else ()
            if i == self.depth - 1:
                k, v = (ragged.pad(part) for part in block.kv(x))
                x = x[:, first]
                return block.finish(x, attend(block.q(x)[:, :, None], [*parts, Own(k, v, mask)])[:, :, 0])
            q, k, v = (ragged.pad(part) for part in block.qkv(x))
            x = block.finish(x, ragged.pack(attend(q, [*parts, Own(k, v, mask)])))
        return x

    def project(self, x: Tensor, normalised: bool = True) -> Tensor:
        """[CLS] tokens (..., width) to text features (..., embed_dim), L2-normalised unless told otherwise."""
        features = self.projection(x if self.pooler is None else self.pooler(x).tanh())
        return unit(features) if normalised else features.float()

    def forward(
        self, ctx: Tensor, layout: ContextLayout, deep: Tensor | None = None, normalised: bool = True
    ) -> Tensor:
        """Features of prompts with a learned context; arguments and result as of `vlm.towers.text.CausalText`."""
        before, x = layout.place(ctx.to(self.dtype), self.embed(layout.tokens))
        n, prompts = before.shape[1], _some(deep)
        start = self.embed([self.vocabulary.start]).expand(before.shape[0], -1, -1)
        head = self.enter(torch.cat([start, before], dim=1), slice(0, 1 + n))
        x = torch.cat([head, self.enter(x, layout.position)], dim=1)
        reading = self.reading(deep) if n else 0
        # Deep prompts may replace only the first part of the context; the rest of it are tokens like the name's.
        replaced = (prompts.shape[1] if len(prompts) else n) if reading else 0
        ragged, order = _class_by_class(layout.ragged, n, replaced)
        extra = [[keys] for keys in self.prefix(before[:, :replaced], deep)] if reading else ()
        x = self.run(x.index_select(1, order), ragged, range(reading), extra)
        if 0 < reading < self.depth:
            prompt = prompts[reading - 1].to(x.dtype).expand(x.shape[0], -1, -1)
            ragged, order = _behind_cls(ragged, replaced)
            x = torch.cat([prompt, x], dim=1).index_select(1, order)
        if reading < self.depth:
            x = self.run(x, ragged, range(reading, self.depth))
        features = self.project(x, normalised)
        return features if layout.conditional(ctx) else features[0]


def _class_by_class(tails: Ragged, n: int, left_out: int) -> tuple[Ragged, Tensor]:
    """Each class's tokens, [CLS][context without its first `left_out`][tail], as indices into [CLS][context: n][all tails]."""
    kept = n - left_out
    ragged = Ragged([1 + kept + length for length in tails.lengths], tails.last.device)
    column, c = ragged.column, ragged.sequence
    in_tail = n + column - kept + _starts(tails)[c]
    order = torch.where(column <= kept, torch.where(column == 0, 0, left_out + column), in_tail)
    return ragged, order


def _behind_cls(own: Ragged, n: int) -> tuple[Ragged, Tensor]:
    """Each class's tokens with a context of n put back behind its [CLS], as indices into [context][each class's own tokens]."""
    ragged = Ragged([n + length for length in own.lengths], own.last.device)
    column, start = ragged.column, _starts(own)[ragged.sequence]
    order = torch.where((column > 0) & (column <= n), column - 1, start + torch.where(column == 0, n, column))
    return ragged, order


def _starts(ragged: Ragged) -> Tensor:
    return ragged.last + 1 - torch.tensor(ragged.lengths, device=ragged.last.device)


def _some(deep: Sequence[Tensor] | Tensor | None) -> Sequence[Tensor] | Tensor:
    return () if deep is None else deep
