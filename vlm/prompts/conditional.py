"""CILMP's text branch: prompts [SOS][ctx][LLM rows][class name].[EOT] whose rows depend on the image (arXiv 2511.12639)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from toolbox.errors import UserError
from vlm.prompts.chunks import BUDGET, in_chunks
from vlm.prompts.intervention import Intervention, LowRankProjection, dropout_mask
from vlm.prompts.rows import RowBatch
from vlm.reading import LowRankReader
from vlm.towers.ragged import Packed, Token
from vlm.towers.text import TextTower
from vlm.towers.tokens import NameTokens


class RowLayout:
    """Where the parts of [start][ctx][rows][name].[end] lie in each class's prompt.

    Attributes:
        reading: where start and names lie in layers that only read context and rows; their table is `words`.
        whole: where all lie in layers where all are tokens, as indices into
            [tokens of the former][context][middles of all classes][ends of all classes].
        middle_position, end_position: of the rows, (n_cls, middle) with -1 where a class has fewer, (n_cls, ends).
    """

    def __init__(self, text: TextTower, names: NameTokens, rows: RowBatch, n_ctx: int) -> None:
        pieces, first, device = names.whole, 1 + n_ctx, text.device
        p, s, m = rows.prefix.shape[1], rows.suffix.shape[1], rows.middle.shape[1]
        lengths = torch.tensor(rows.lengths)[:, None]
        at, inner = torch.arange(p + s), torch.arange(m)
        # Rows at the ends: the prefix begins behind the context, the suffix ends where the class's rows end.
        self.end_position = (first + torch.where(at < p, at, lengths + at - p - s)).to(device)
        self.middle_position = torch.where(inner < lengths - p - s, first + p + inner, -1).to(device)
        with torch.no_grad():
            self.words = text.embed([text.vocabulary.start, *(t for x in pieces for t in x)])
        start, names_at, seen = [(0, 0)], [], 1
        for length, x in zip(rows.lengths, pieces, strict=True):
            names_at.append([(seen + i, first + length + i) for i in range(len(x))])
            seen += len(x)
        shared, own = (start, names_at) if text.causal else ([], [start + x for x in names_at])
        read = [torch.arange(1, first), self.middle_position, self.end_position]
        self.reading = Packed(shared, own, text.causal, self.words, read)
        self.whole = self._whole(shared, own, n_ctx, text.causal)

    def _whole(self, shared: list[Token], own: list[list[Token]], n_ctx: int, causal: bool) -> Packed:
        at_ctx = self.reading.count * self.reading.length
        ctx = [(at_ctx + i, 1 + i) for i in range(n_ctx)]
        rows, index = [[] for _ in own], at_ctx + n_ctx
        for positions in (self.middle_position, self.end_position):
            for c, of_class in enumerate(positions.tolist()):
                rows[c] += [(index + i, position) for i, position in enumerate(of_class) if position >= 0]
                index += len(of_class)
        shared = [(i, position) for i, (_, position) in enumerate(shared)]
        own = [
            [(i, position) for i, (_, position) in zip(at, x, strict=True)]
            for at, x in zip(self.reading.at, own, strict=True)
        ]
        if causal:
            return Packed(shared + ctx, [r + x for r, x in zip(rows, own, strict=True)], causal, self.words)
        return Packed(shared, [x + ctx + r for r, x in zip(rows, own, strict=True)], causal, self.words)


@dataclass
class Prepared:
    """What the text branch makes of its parameters alone, before it sees an image.

    Attributes:
        moving: c and M of the interventions at both ends.
        first, last: projections (1, width, k) of the rows to tokens of the first layer and of one that does not only
            read them; empty where there is no such layer.
        low: makes keys and values of rows in the layers between.
        shared: keys and values of context and middle rows, (1, sequences, n, 2 * width) a layer that only reads them.
        middle: tokens (n_cls, middle, width) of the layer that does not.
    """

    moving: list[tuple[Tensor, Tensor]]
    first: Tensor
    last: Tensor
    low: LowRankReader
    shared: Sequence[Tensor] = ()
    middle: Tensor | None = None


class ConditionalText(nn.Module):
    """Trained parts of the text branch, and the text features they give for each image.

    Args:
        text: the frozen tower (kept out of the module's own parameters).
        rows: one (L_c, D) tensor a class, float32.
        names: class names that were checked to fit behind `n_ctx + L_c` positions.
        ctx: (n_ctx, width), the initial context at the input.
        depth: prompted text layers.
        prefix, suffix: how many rows at either end are intervened on.
        rank: k.
        embed_dim: width of image features.
        dropout: on intervened rows.
        dropout_per_image: a mask of its own for each image, as in the reference; dearer in memory.
        budget: bytes that one chunk of images and classes may take.

    Raises:
        UserError: prefix + suffix exceed a class's rows, rows differ in width, or depth exceeds the tower's.
    """

    def __init__(
        self,
        text: TextTower,
        rows: Sequence[Tensor],
        names: NameTokens,
        ctx: Tensor,
        depth: int,
        prefix: int,
        suffix: int,
        rank: int,
        embed_dim: int,
        dropout: float = 0.1,
        dropout_per_image: bool = False,
        budget: int = BUDGET,
    ) -> None:
        super().__init__()
        self._check(rows, names, depth, text.depth, prefix, suffix)
        object.__setattr__(self, "text", text)  # frozen and shared: no part of this module's state
        self.dropout, self.dropout_per_image, self.budget = dropout, dropout_per_image, budget
        rows = [r.to(text.device) for r in rows]
        llm_dim = rows[0].shape[1]
        self.rows = RowBatch.cut(rows, prefix, suffix)
        self._prepared: Prepared | None = None
        self.layout = RowLayout(text, names, self.rows, len(ctx))
        deeper = torch.empty(depth - 1, *ctx.shape).normal_(std=0.02)
        self.ctx = nn.Parameter(torch.cat([ctx.float().cpu()[None], deeper]))
        self.prefix = Intervention(depth, llm_dim, embed_dim, rank)
        self.suffix = Intervention(depth, llm_dim, embed_dim, rank)
        self.projection = LowRankProjection(depth, llm_dim, text.width, rank)

    @staticmethod
    def _check(rows: Sequence[Tensor], names: NameTokens, depth: int, layers: int, prefix: int, suffix: int) -> None:
        if not 1 <= depth <= layers:
            raise UserError(
                f"text prompt depth is {depth} but the text tower has {layers} layers; choose 1 to {layers}"
            )
        for row, name in zip(rows, names.classnames, strict=True):
            if prefix + suffix > len(row):
                raise UserError(
                    f"class {name!r} has {len(row)} rows, fewer than PREFIX_LENGTH + SUFFIX_LENGTH = {prefix} + {suffix}; "
                    f"choose lengths that add up to at most {len(row)}"
                )
            if row.shape[1] != rows[0].shape[1]:
                raise UserError(
                    f"class {name!r} has rows {row.shape[1]} wide, the first class {rows[0].shape[1]}; "
                    "extract all classes with one language model"
                )

    @property
    def depth(self) -> int:
        return len(self.ctx)

    def train(self, mode: bool = True) -> "ConditionalText":
        self._prepared = None
        return super().train(mode)

    def forward(self, image_features: Tensor) -> Tensor:
        """Normalised text features of every class for every image, (batch, n_cls, embed_dim).

        Args:
            image_features: (batch, E), normalised.
        """
        # Coordinates are k wide and few: float32 costs nothing here and keeps sums over D exact under half precision.
        with torch.autocast(image_features.device.type, enabled=False):
            prepared = self._prepare(len(image_features))
            moved = self._moved(image_features.float(), prepared)
        return in_chunks(lambda chunk: self._features(chunk, prepared), moved, self._images_per_chunk(), dim=1)

    def _prepare(self, batch: int) -> Prepared:
        """Made for each training step; once an evaluation."""
        if torch.is_grad_enabled() or self.training:
            return self._prepare_parts(batch)
        if self._prepared is None:
            self._prepared = self._prepare_parts(batch)
        return self._prepared

    def _prepare_parts(self, batch: int) -> Prepared:
        text, layout = self.text, self.layout
        first, low, last = self._by_kind(self.projection.B)
        made = Prepared([], first, last, LowRankReader(text.reader, low, first=1))
        for rows, intervention in ((self.rows.prefix, self.prefix), (self.rows.suffix, self.suffix)):
            rows, mask = rows.flatten(0, 1), None
            if self.training and self.dropout > 0:
                images = batch if self.dropout_per_image else 1
                mask = dropout_mask((self.depth, images, *rows.shape), self.dropout, rows)
            made.moving.append(intervention.prepare(rows, self.projection.A, mask))
        fixed = self.projection.coordinates(self.rows.middle.flatten(0, 1))
        fixed = fixed.unflatten(1, self.rows.middle.shape[:2])[:, None]
        if self.reading:
            first, low, _ = self._by_kind(self.ctx)
            first = text.enter(first.to(text.dtype), slice(1, 1 + first.shape[1]))
            ctx = text.reader(torch.cat([first.to(low.dtype), low]))[:, None, None]
            middle = torch.cat(self._row_keys(fixed, made, layout.middle_position))
            parts = [ctx.expand(-1, -1, layout.reading.count, -1, -1), middle]
            made.shared = torch.cat(parts, dim=3).to(text.dtype).unbind(0)
        if self.reading < text.depth:
            made.middle = self._whole_tokens(fixed[-1, 0], last, layout.middle_position)
        return made

    @property
    def reading(self) -> int:
        """How many layers only read context and rows."""
        return self.text.layers_that_only_read(self.depth - 1)

    def _by_kind(self, x: Tensor) -> Sequence[Tensor]:
        """What is stacked over layers: the first's and the others' that only read, and the one's that does not."""
        first = min(1, self.reading)
        return x.split([first, self.reading - first, self.depth - self.reading])

    def _moved(self, f: Tensor, prepared: Prepared) -> Tensor:
        """Coordinates of prefix and suffix rows, (layers, batch, n_cls, prefix + suffix, k)."""
        shape = (len(self.rows.lengths), -1)
        ends = zip((self.prefix, self.suffix), prepared.moving, strict=True)
        return torch.cat([end(made, f).unflatten(2, shape) for end, made in ends], dim=-2)

    def _images_per_chunk(self) -> int:
        return 1000

    def _row_keys(self, a: Tensor, prepared: Prepared, position: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of rows with coordinates a (layers, batch, n_cls, n, k), in the layers that only read them.

        Those of the first layer have positions of their own and so leave the k dimensions.

        Returns:
            (1, batch, sequences, n, 2 * width) of the first layer, and the same of the others.
        """
        first, low, _ = self._by_kind(a)
        tokens = self.text.enter((first @ prepared.first.mT).to(self.text.dtype), position)
        keys = self.text.blocks[0].kv(tokens), prepared.low(low.flatten(1, 3)).unflatten(1, low.shape[1:4])
        return tuple(self.layout.reading.by_sequence(x) for x in keys)

    def _features(self, moved: Tensor, prepared: Prepared) -> Tensor:
        text, layout = self.text, self.layout
        x = text.enter(layout.reading.arrange(layout.words[None]), layout.reading.position)
        if self.reading:
            ends = [
                e for part in self._row_keys(moved, prepared, layout.end_position) for e in part.to(x.dtype).unbind(0)
            ]
            x = text.run(x, layout.reading, range(self.reading), list(zip(prepared.shared, ends, strict=True)))
        if self.reading < text.depth:
            ends = self._whole_tokens(moved[-1], prepared.last, layout.end_position)
            ctx = self.ctx[-1].to(x.dtype)
            ctx = ctx if self.reading else text.enter(ctx, slice(1, 1 + len(ctx)))
            parts = [x.flatten(1, 2), ctx[None], prepared.middle.flatten(0, 1)[None], ends.flatten(1, 2)]
            x = torch.cat([part.expand(len(ends), -1, -1) for part in parts], dim=1)
            x = text.run(layout.whole.arrange(x), layout.whole, range(self.reading, text.depth))
        return text.project(x.flatten(1, 2)[:, : len(self.rows.lengths)])

    def _whole_tokens(self, a: Tensor, B: Tensor, position: Tensor) -> Tensor:
        """Rows with coordinates a (..., n_cls, n, k) as tokens of the layer that does not only read them."""
        tokens = (a @ B[0].mT).to(self.text.dtype)
        return tokens if self.reading else self.text.enter(tokens, position)
