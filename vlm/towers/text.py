"""Text towers with prompts put in, doing only the work that the features depend on.

Three facts carry all of it (each is exact):

* Nothing after a prompt's end token matters, so prompts end there, not at position 77.
* In a causal tower a token sees only what stands before it. The start token and a context shared by all classes therefore
  stand once in front of the classes' own tokens; see `vlm.towers.ragged`.
* After the last layer only the end token is read, so that layer asks one query a class. In layers whose prompts are
  replaced before the next, prompts are only read; see `vlm.towers.reading`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from toolbox.errors import UserError
from vlm.towers.attention import attend
from vlm.towers.ragged import Packed, Readout, Token
from vlm.towers.reading import Reader
from vlm.towers.tokens import NameTokens, Vocabulary


class TextTower(nn.Module):
    """What text towers have in common: layers over packed prompts, and features of plain texts.

    Attributes:
        token_embedding: (vocabulary, width).
        blocks: the layers, in order.
        vocabulary: the tokeniser that belongs to the tower.
        embed_dim: width of the joint embedding.
        causal: a token sees only what stands before it.
        read_at: what is read of a prompt: its `end` token, its `first` token, the `last` of its positions, or the `mean`.
        unseen: no token sees the one that is read.
    """

    token_embedding: nn.Parameter
    blocks: nn.ModuleList
    vocabulary: Vocabulary
    embed_dim: int
    causal: bool
    read_at: str
    unseen: bool = False

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

    @property
    def reader(self) -> Reader:
        """Makes keys and values of prompts that are only read."""
        made = self.__dict__.get("_reader")
        if made is None or made.weight.device != self.device:
            made = self.__dict__["_reader"] = Reader(self.blocks)
        return made

    @property
    def lead(self) -> list[Token]:
        """The start token, first in every table of embeddings, at the first position; none where the tower has no start."""
        return [] if self.vocabulary.start is None else [(0, 0)]

    def lead_and(self, pieces: Sequence[Sequence[int]]) -> Tensor:
        """Embeddings (1 + all pieces, width) of the start token and the classes' word pieces; any where there is no start."""
        start = self.vocabulary.end if self.vocabulary.start is None else self.vocabulary.start
        with torch.no_grad():
            return self.embed([start, *(token for own in pieces for token in own)])

    def check_layers(self) -> None:
        """Raise UserError if nothing can be put between the tower's layers."""

    def readout(self, pieces: Sequence[Sequence[int]]) -> Readout:
        """What is read of prompts that end in these word pieces and what is behind them."""
        if self.read_at in ("first", "mean"):
            return Readout(mean=self.read_at == "mean")
        end, last = self.vocabulary.end, self.read_at == "last"
        return Readout([0 if last else len(own) - 1 - own.index(end) for own in pieces], unseen=self.unseen)

    def embed(self, tokens: Sequence[int] | Tensor) -> Tensor:
        """Token embeddings, (..., width), without positions."""
        return self.token_embedding[torch.as_tensor(tokens, dtype=torch.long, device=self.device)]

    def enter(self, words: Tensor, where: slice | Tensor) -> Tensor:
        """Tokens of the first layer from word embeddings or prompts (..., width) at positions `where`."""
        raise NotImplementedError

    def project(self, x: Tensor, normalised: bool = True) -> Tensor:
        """Tokens that are read at the end (..., width) to text features (..., embed_dim), of length 1 unless told otherwise."""
        raise NotImplementedError

    def encode(self, texts: Sequence[str], chunk: int = 256, normalised: bool = True) -> Tensor:
        """Features of plain texts, (len(texts), embed_dim), without gradient; of length 1 unless told otherwise.

        Raises:
            UserError: a text is too long for the tower.
        """
        pieces = self.pieces(texts)
        with torch.no_grad():
            none = self.embed([])
            chunks = [pieces[i : i + chunk] for i in range(0, len(pieces), chunk)]
            return torch.cat([self(none, ContextLayout.plain(self, part), normalised=normalised) for part in chunks])

    def pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """Word pieces of plain texts.

        Raises:
            UserError: a text is too long for the tower.
        """
        room = self.vocabulary.context_length - 2
        pieces = [self.vocabulary.encode(text) for text in texts]
        for text, tokens in zip(texts, pieces, strict=True):
            if len(tokens) > room:
                raise UserError(f"text {text!r} has {len(tokens)} word pieces but the text tower has room for {room}")
        return pieces

    def layers_that_only_read(self, replaced: int) -> int:
        """How many layers only read their prompts, where those of the first `replaced` layers are replaced behind them."""
        # Behind the last layer nobody reads them either.
        return self.depth if replaced == self.depth - 1 else replaced

    def run(self, x: Tensor, packed: Packed, layers: range, read: Sequence[Sequence[Tensor]] = ()) -> Tensor:
        """Run tokens through `layers`.

        Args:
            x: (batch or 1, sequences, n, width), as `packed` says.
            read: for each of `layers` the keys and values that `packed` counts on beside the tokens' own, in parts of
                (batch or 1, sequences, m, 2 * width).

        Returns:
            After the last layer the tokens read at the end, (batch, sequences, group, width); otherwise all, like `x`.
        """
        batch = max(len(part) for part in (x, *(read[0] if read else ())))
        mask = packed.masks(batch)
        for i in layers:
            block, others = self.blocks[i], read[i - layers.start] if read else ()
            if i == self.depth - 1 and packed.shares is None:
                kv, x, mask = block.kv(x), packed.at_last(x), packed.masks(batch, last=True)
                q = block.q(x)
            else:
                q, kv = block.q_kv(x)
            if others:
                kv = torch.cat([part.to(kv.dtype).expand(batch, -1, -1, -1) for part in (*others, kv)], dim=2)
            attended = attend(q.expand(len(kv), -1, -1, -1).flatten(0, 1), kv.flatten(0, 1), block.heads, mask)
            x = block.finish(x, attended.unflatten(0, kv.shape[:2]))
        return packed.averaged(x) if layers.stop == self.depth and packed.shares is not None else x

    def forward(
        self, ctx: Tensor, layout: "ContextLayout", deep: Tensor | None = None, normalised: bool = True
    ) -> Tensor:
        """Features of prompts with a learned context: (n_cls, embed_dim), or (batch, n_cls, embed_dim).

        Args:
            ctx: (n_ctx, width); (batch, n_ctx, width) when it depends on the image; (n_cls, n_ctx, width) for a layout
                made with `per_class`.
            layout: where the context stands; see `ContextLayout`.
            deep: (layers - 1, n_deep, width) that replace the first n_deep vectors of a context (n_ctx, width) before
                layers 1, 2, ...; raw, without positional embedding. Fewer than depth - 1 leave the deeper layers as they
                come.
            normalised: scale features to length 1.
        """
        table = layout.table(ctx.to(self.dtype))
        if deep is None or len(deep) == 0:
            packed = layout.packed
            x = self.run(self.enter(packed.arrange(table), packed.position), packed, range(self.depth))
        else:
            x = self._deep(table, ctx, layout, deep)
        features = self.project(x.flatten(1, 2)[:, : layout.packed.n_cls], normalised)
        return features if layout.conditional(ctx) else features[0]

    def _deep(self, table: Tensor, ctx: Tensor, layout: "ContextLayout", deep: Tensor) -> Tensor:
        n, reading = deep.shape[1], self.layers_that_only_read(len(deep))
        packed, whole = layout.deep(n)
        first = self.enter(ctx[:n].to(self.dtype), slice(1, 1 + n))
        keys = self.reader(torch.cat([first[None].to(deep.dtype), deep])[:reading]).to(self.dtype)
        read = [(part.expand(1, packed.count, -1, -1),) for part in keys.unbind(0)]
        x = self.run(self.enter(packed.arrange(table), packed.position), packed, range(reading), read)
        if reading < self.depth:
            x = torch.cat([deep[reading - 1].to(x.dtype)[None], x.flatten(1, 2)], dim=1)
            x = self.run(whole.arrange(x), whole, range(reading, self.depth))
        return x


class ContextLayout:
    """Where start, context, class name and end stand in each class's prompt.

    Args:
        text: the tower.
        names: the classes' word pieces.
        n_ctx: context length.
        position: of the class name relative to the context: `end`, `middle` or `front`.
        per_class: each class has a context of its own (CoOp's CSC), so none of it can be shared.

    Attributes:
        packed: where the tokens lie; their table is what `table` gives.
    """

    def __init__(
        self, text: TextTower, names: NameTokens, n_ctx: int, position: str = "end", per_class: bool = False
    ) -> None:
        self.per_class, self.n_ctx = per_class, n_ctx
        ahead = {"end": n_ctx, "middle": n_ctx // 2, "front": 0}[position]
        words = 1 + sum(map(len, names.whole))
        orders, seen = [], 1
        for c, (name, rest) in enumerate(zip(names.name, names.rest, strict=True)):
            first = words + (c * n_ctx if per_class else 0)
            ctx, at_name = range(first, first + n_ctx), range(seen, seen + len(name))
            at_rest = range(at_name.stop, at_name.stop + len(rest))
            orders.append([*ctx[:ahead], *at_name, *ctx[ahead:], *at_rest])
            seen = at_rest.stop
        shared = range(words, words + ahead) if text.causal and not per_class else ()
        self._place(text, names.whole, shared, orders)

    def _place(self, text: TextTower, pieces: Sequence[Sequence[int]], shared: Sequence[int], orders: list) -> None:
        """Pack tokens given as indices into [start][all pieces][context], in reading order behind the start."""
        self.words, self.readout = text.lead_and(pieces), text.readout(pieces)
        places = text.vocabulary.positions
        classes: list[list[Token]] = [[*zip(order, places(1, len(order)), strict=True)] for order in orders]
        if text.causal:
            self.shared, self.classes = text.lead + classes[0][: len(shared)], [own[len(shared) :] for own in classes]
        else:
            self.shared, self.classes = [], [text.lead + own for own in classes]
        self.causal, self._packed_deep = text.causal, {}
        self.packed = Packed(self.shared, self.classes, self.causal, self.readout, self.words)

    def conditional(self, ctx: Tensor) -> bool:
        """Whether the context's first axis is the batch of images."""
        return ctx.dim() == 3 and not self.per_class

    def table(self, ctx: Tensor) -> Tensor:
        """Embeddings of all tokens, (batch or 1, tokens, width): the words', then the context."""
        own = ctx if self.conditional(ctx) else ctx.reshape(1, -1, ctx.shape[-1])
        return torch.cat([self.words.expand(len(own), -1, -1), own], dim=1)

    def deep(self, n: int) -> tuple[Packed, Packed]:
        """For prompts in several layers, which stand in the place of the first `n` vectors of the context.

        Returns:
            Where the other tokens lie in layers that only read the prompts; and where all lie in layers that do not, as
            indices into [prompts][tokens of the former].
        """
        if n not in self._packed_deep:
            replaced, at_prompts = range(len(self.words), len(self.words) + n), [(i, 1 + i) for i in range(n)]
            shared, *classes = ([t for t in own if t[0] not in replaced] for own in (self.shared, *self.classes))
            reading = Packed(shared, classes, self.causal, self.readout, self.words, [torch.arange(1, 1 + n)])
            shared = [(n + i, position) for i, (_, position) in enumerate(shared)]
            classes = [
                [(n + i, position) for i, (_, position) in zip(at, own, strict=True)]
                for at, own in zip(reading.at, classes, strict=True)
            ]
            if self.causal:
                shared += at_prompts
            else:
                classes = [own + at_prompts for own in classes]
            self._packed_deep[n] = reading, Packed(shared, classes, self.causal, self.readout, self.words)
        return self._packed_deep[n]

    @classmethod
    def plain(cls, text: TextTower, texts: Sequence[Sequence[int]]) -> "ContextLayout":
        """Prompts without context: each of `texts` (word pieces) followed by the end token and padding that is seen."""
        layout = cls.__new__(cls)
        layout.per_class, layout.n_ctx = False, 0
        ended, orders, seen = [[*own, *text.vocabulary.closing(1 + len(own))] for own in texts], [], 1
        for pieces in ended:
            orders.append(range(seen, seen + len(pieces)))
            seen += len(pieces)
        layout._place(text, ended, (), orders)
        return layout
