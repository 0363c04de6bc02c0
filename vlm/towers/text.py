"""CLIP's causal text tower with prompts put in, doing only the work that the features at EOT depend on.

Three facts carry all of it (each is exact):

* Nothing after EOT matters, so prompts end there, not at position 77.
* A token sees only what stands before it. The start token and a context shared by all classes therefore pass through the
  tower once (the *prefix*), and the classes' own tokens (the *tail*) read its keys and values.
* After the last layer only EOT is read, so that layer needs one query a class.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toolbox.errors import UserError
from vlm.towers.attention import Keys, Own, Shared, attend, causal_mask
from vlm.towers.block import Block, LayerNorm, unit
from vlm.towers.ragged import Ragged
from vlm.towers.tokens import NameTokens, Vocabulary


class TextTower(nn.Module):
    """What text towers have in common: embeddings of words, and features of plain texts.

    Attributes:
        token_embedding: (vocabulary, width).
        blocks: the layers, in order.
        vocabulary: the tokeniser that belongs to the tower.
        embed_dim: width of the joint embedding.
    """

    token_embedding: nn.Parameter
    blocks: nn.ModuleList
    vocabulary: Vocabulary
    embed_dim: int

    @property
    def width(self) -> int:
        return self.token_embedding.shape[1]

    @property
    def depth(self) -> int:
        return len(self.blocks)

    @property
    def dtype(self) -> torch.dtype:
        return self.token_embedding.dtype

    @property
    def device(self) -> torch.device:
        return self.token_embedding.device

    def embed(self, tokens: Sequence[int] | Tensor) -> Tensor:
        """Token embeddings, (..., width), without positions."""
        return self.token_embedding[torch.as_tensor(tokens, dtype=torch.long, device=self.device)]

    def encode(self, texts: Sequence[str], chunk: int = 256, normalised: bool = True) -> Tensor:
        """Features of plain texts, (len(texts), embed_dim), without gradient; of length 1 unless told otherwise.

        Raises:
            UserError: a text is too long for the tower.
        """
        room = self.vocabulary.context_length - 2
        pieces = [self.vocabulary.encode(text) for text in texts]
        for text, tokens in zip(texts, pieces, strict=True):
            if len(tokens) > room:
                raise UserError(f"text {text!r} has {len(tokens)} word pieces but the text tower has room for {room}")
        with torch.no_grad():
            none = self.embed([])
            chunks = [pieces[i : i + chunk] for i in range(0, len(pieces), chunk)]
            return torch.cat([self(none, ContextLayout.plain(self, part), normalised=normalised) for part in chunks])


class CausalText(TextTower):
    """The frozen text tower.

    Args:
        token_embedding: weight (vocabulary, width).
        positional_embedding: (context_length, width).
        blocks: pre-norm blocks, in order.
        ln_final: the model's last LayerNorm.
        text_projection: (width, embed_dim).
        vocabulary: the tokeniser that belongs to it.
    """

    causal = True

    def __init__(
        self,
        token_embedding: nn.Parameter,
        positional_embedding: nn.Parameter,
        blocks: Sequence[Block],
        ln_final: nn.LayerNorm,
        text_projection: nn.Parameter,
        vocabulary: Vocabulary,
    ) -> None:
        super().__init__()
        self.token_embedding = token_embedding
        self.positional_embedding = positional_embedding
        self.blocks = nn.ModuleList(blocks)
        self.ln_final = LayerNorm(ln_final)
        self.text_projection, self.embed_dim = text_projection, text_projection.shape[1]
        self.vocabulary = vocabulary

    def positions(self, where: slice | Tensor) -> Tensor:
        return self.positional_embedding[where].to(self.dtype)

    def prefix(self, ctx: Tensor, deep: Tensor | None = None) -> list[Shared]:
        """Keys and values of [SOS][ctx] in every layer.

        Args:
            ctx: (n_ctx, width) or, where it depends on the image, (batch, n_ctx, width).
            deep: (layers - 1, n_deep, width) that replace the first n_deep of the context's positions before layers 1, 2,
                ...; raw, without positional embedding. Fewer than depth - 1 leave the deeper layers as they come.
        """
        ctx = (ctx if ctx.dim() == 3 else ctx[None]).to(self.dtype)
        start = self.embed([self.vocabulary.start]).expand(ctx.shape[0], -1, -1)
        x = torch.cat([start, ctx], dim=1) + self.positions(slice(0, 1 + ctx.shape[1]))
        layers = []
        for i, block in enumerate(self.blocks):
            if deep is not None and 0 < i <= len(deep):
                own = deep[i - 1].to(x.dtype).expand(x.shape[0], -1, -1)
                x = torch.cat([x[:, :1], own, x[:, 1 + own.shape[1] :]], dim=1)
            if i == self.depth - 1:
                layers.append(Shared(*block.kv(x)))
            else:
                q, k, v = block.qkv(x)
                y = F.scaled_dot_product_attention(*(p.transpose(1, 2) for p in (q, k, v)), is_causal=True)
                x = block.finish(x, y.transpose(1, 2))
                layers.append(Shared(k, v))
        return layers

    def tail(
        self,
        x: Tensor,
        ragged: Ragged,
        prefix: Sequence[Shared],
        extra: Sequence[Sequence[Keys]] = (),
        layers: range | None = None,
    ) -> Tensor:
        """Run the classes' own tokens through `layers` (all by default).

        Args:
            x: (batch or 1, total, width) packed as `ragged` says, positions added.
            prefix: what stands before them, from `prefix`.
            extra: for each layer from the first on, further keys that every own token sees.

        Returns:
            After the last layer the EOT tokens, (batch, n_cls, width); otherwise all tokens, (batch, total, width).
        """
        causal = causal_mask(ragged.longest, x.device)
        for i in layers or range(self.depth):
            block = self.blocks[i]
            parts = [prefix[i], *(extra[i] if i < len(extra) else ())]
            if i == self.depth - 1:
                k, v = (ragged.pad(part) for part in block.kv(x))
                x = x[:, ragged.last]
                q = block.q(x)[:, :, None]
                mask = causal[[n - 1 for n in ragged.lengths]][:, None, None]
                return block.finish(x, attend(q, [*parts, Own(k, v, mask)])[:, :, 0])
            q, k, v = (ragged.pad(part) for part in block.qkv(x))
            x = block.finish(x, ragged.pack(attend(q, [*parts, Own(k, v, causal)])))
        return x

    def project(self, x: Tensor, normalised: bool = True) -> Tensor:
        """EOT tokens (..., width) to L2-normalised text features (..., embed_dim)."""
        features = self.ln_final(x) @ self.text_projection
        return unit(features) if normalised else features.float()

    def forward(
        self, ctx: Tensor, layout: "ContextLayout", deep: Tensor | None = None, normalised: bool = True
    ) -> Tensor:
        """Normalised features of prompts with a learned context: (n_cls, embed_dim), or (batch, n_cls, embed_dim).

        Args:
            ctx: (n_ctx, width); (batch, n_ctx, width) when it depends on the image; (n_cls, n_ctx, width) for a layout
                made with `per_class`.
            layout: where the context stands; see `ContextLayout`.
            deep: as in `prefix`.
            normalised: scale features to length 1.
        """
        before, x = layout.place(ctx.to(self.dtype), self.embed(layout.tokens))
        x = self.tail(x + self.positions(layout.position), layout.ragged, self.prefix(before, deep))
        features = self.project(x, normalised)
        return features if layout.conditional(ctx) else features[0]


class ContextLayout:
    """Where context, class name and EOT stand in each class's prompt.

    Args:
        text: the tower.
        names: the classes' word pieces.
        n_ctx: context length.
        position: of the class name relative to the context: `end`, `middle` or `front`.
        per_class: each class has a context of its own (CoOp's CSC), so none of it can be shared.
    """

    def __init__(
        self, text: TextTower, names: NameTokens, n_ctx: int, position: str = "end", per_class: bool = False
    ) -> None:
        ahead = {"end": n_ctx, "middle": n_ctx // 2, "front": 0}[position]
        self.per_class = per_class
        self.n_before = 0 if per_class else ahead
        ctx_in_tail = n_ctx - self.n_before
        pieces = names.whole
        base = sum(len(p) for p in pieces)
        orders, seen = [], 0
        for c, (name, rest) in enumerate(zip(names.name, names.rest, strict=True)):
            ctx = [base + (c * n_ctx if per_class else 0) + i for i in range(ctx_in_tail)]
            split = ahead - self.n_before
            at_name = [*range(seen, seen + len(name))]
            seen += len(name)
            at_rest = [*range(seen, seen + len(rest))]
            seen += len(rest)
            orders.append([*ctx[:split], *at_name, *ctx[split:], *at_rest])
        self._place(text, [t for p in pieces for t in p], orders)

    def conditional(self, ctx: Tensor) -> bool:
        """Whether the context's first axis is the batch of images."""
        return ctx.dim() == 3 and not self.per_class

    def place(self, ctx: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """What all classes share, (batch or 1, n_before, width), and what follows in each, (batch or 1, total, width).

        Args:
            ctx: as for `CausalText`.
            words: embeddings of `tokens`, (tokens, width).
        """
        before = ctx[0, :0] if self.per_class else ctx[..., : self.n_before, :]
        own = ctx if self.per_class else ctx[..., self.n_before :, :]
        own = own if self.conditional(ctx) else own.flatten(0, -2)[None]
        table = torch.cat([words.expand(own.shape[0], -1, -1), own], dim=1)
        return before if before.dim() == 3 else before[None], table.index_select(1, self.order)

    def _place(self, text: TextTower, tokens: list[int], orders: list[list[int]]) -> None:
        self.tokens = torch.tensor(tokens, device=text.device)
        self.ragged = Ragged([len(o) for o in orders], text.device)
        self.order = torch.tensor([i for o in orders for i in o], device=text.device)
        self.position = 1 + self.n_before + self.ragged.column

    @classmethod
    def plain(cls, text: TextTower, texts: Sequence[Sequence[int]]) -> "ContextLayout":
        """Prompts without context: each of `texts` (word pieces) followed by the end token."""
        layout = cls.__new__(cls)
        layout.per_class, layout.n_before = False, 0
        ended = [[*pieces, text.vocabulary.end] for pieces in texts]
        starts = [sum(len(p) for p in ended[:i]) for i in range(len(ended))]
        orders = [[*range(s, s + len(p))] for s, p in zip(starts, ended, strict=True)]
        layout._place(text, [t for p in ended for t in p], orders)
        return layout
