"""CILMP's text branch: prompts [SOS][ctx][LLM rows][class name].[EOT] whose rows depend on the image (arXiv 2511.12639)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from toolbox.errors import UserError
from vlm.prompts.chunks import BUDGET, in_chunks, kept
from vlm.prompts.intervention import Intervention, LowRankProjection, dropout_mask
from vlm.prompts.rows import RowBatch, RowLayout
from vlm.towers.reading import LowRankReader
from vlm.towers.text import TextTower
from vlm.towers.tokens import NameTokens


@dataclass
class Prepared:
    """What the text branch makes of its parameters alone, before it sees an image.

    Attributes:
        moving: c and M of the interventions at both ends.
        first, last: projections (1, width, k) of the rows to tokens of the first layer and of one that does not only
            read them; empty where there is no such layer.
        low: makes keys and values of rows in the layers between.
    """

    moving: list[tuple[Tensor, Tensor]]
    first: Tensor
    last: Tensor
    low: LowRankReader


Shared = tuple[Tensor, Tensor]
"""What all images read, empty where there is no such layer: keys and values of context and middle rows, (layers, 1,
sequences, n, 2 * width), in the layers that only read them; tokens (n_cls, middle, width) of the layer that does not."""


@dataclass
class Part:
    """Some of the classes: as many as are computed together."""

    rows: RowBatch
    layout: RowLayout
    prepared: tuple[Prepared, Shared] | None = None  # kept during an evaluation

    @property
    def n_cls(self) -> int:
        return len(self.rows.lengths)


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
        budget: bytes that the images and classes computed together may keep for the backward pass.

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
        text.check_layers()
        self._check(rows, names, depth, text.depth, prefix, suffix)
        object.__setattr__(self, "text", text)  # frozen and shared: no part of this module's state
        self.dropout, self.dropout_per_image, self.budget = dropout, dropout_per_image, budget
        self.ends, self.all_rows, self.pieces = (prefix, suffix), [r.to(text.device) for r in rows], names.whole
        llm_dim = rows[0].shape[1]
        self._cuts: dict[int, list[Part]] = {}  # by the number of classes in each
        deeper = torch.empty(depth - 1, *ctx.shape).normal_(std=0.02)
        self.ctx = nn.Parameter(torch.cat([ctx.float().cpu()[None], deeper]))
        self.prefix = Intervention(depth, llm_dim, embed_dim, rank)
        self.suffix = Intervention(depth, llm_dim, embed_dim, rank)
        self.projection = LowRankProjection(depth, llm_dim, text.width, rank)
        self._cut_classes()

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

    @cached_property
    def rows(self) -> RowBatch:
        """Of all classes."""
        return RowBatch.cut(self.all_rows, *self.ends)

    def train(self, mode: bool = True) -> "ConditionalText":
        for part in (part for cut in self._cuts.values() for part in cut):
            part.prepared = None
        return super().train(mode)

    def forward(self, image_features: Tensor) -> Tensor:
        """Normalised text features of every class for every image, (batch, n_cls, embed_dim).

        Args:
            image_features: (batch, E), normalised.
        """
        masked = self.training and self.dropout > 0
        return in_chunks(lambda part: self._of_classes(part, image_features), self._cut_classes(), dim=1, random=masked)

    def _cut_classes(self) -> list[Part]:
        each, once = self._bytes()
        size = max(1, min(self.budget // 2 // max(each, once), len(self.pieces)))
        if size not in self._cuts:
            self._cuts[size] = parts = []
            for i in range(0, len(self.pieces), size):
                rows = RowBatch.cut(self.all_rows[i : i + size], *self.ends)
                parts.append(Part(rows, RowLayout(self.text, self.pieces[i : i + size], rows, self.ctx.shape[1])))
        return self._cuts[size]

    def _bytes(self) -> tuple[int, int]:
        """What a class keeps for the backward pass: with each image, and once."""
        own, rows = max(map(len, self.pieces)), max(map(len, self.all_rows))
        each, once = kept(self.text, own, rows + own), kept(self.text, 0, rows)
        # Dropout masks, and rows under them, are as wide as the language model.
        masked = 2 * (self.training and self.dropout > 0) * self.depth * sum(self.ends) * self.all_rows[0].shape[1] * 4
        return (each + masked, once) if self.dropout_per_image else (each, once + masked)

    def _of_classes(self, part: Part, f: Tensor) -> Tensor:
        # Coordinates are k wide and few: float32 costs nothing here and keeps sums over D exact under half precision.
        with torch.autocast(f.device.type, enabled=False):
            prepared, shared = self._prepared(part, len(f))
            moved = self._moved(f.float(), part, prepared)
        each, once = self._bytes()
        images = max(1, (self.budget - once * part.n_cls) // (each * part.n_cls))
        return in_chunks(lambda *m: self._features(part, prepared, *m), moved.split(images, dim=1), *shared)

    def _prepared(self, part: Part, batch: int) -> tuple[Prepared, Shared]:
        """Made for each training step; once an evaluation."""
        if torch.is_grad_enabled() or self.training:
            return self._prepare(part, batch)
        if part.prepared is None:
            part.prepared = self._prepare(part, batch)
        return part.prepared

    def _prepare(self, part: Part, batch: int) -> tuple[Prepared, Shared]:
        text, layout, inner = self.text, part.layout, part.rows.middle
        first, low, last = self._by_kind(self.projection.B)
        moving = []
        for rows, intervention in ((part.rows.prefix, self.prefix), (part.rows.suffix, self.suffix)):
            rows, mask = rows.flatten(0, 1), None
            if self.training and self.dropout > 0:
                images = batch if self.dropout_per_image else 1
                mask = dropout_mask((self.depth, images, *rows.shape), self.dropout, rows)
            moving.append(intervention.prepare(rows, self.projection.A, mask))
        fixed = self.projection.coordinates(inner.flatten(0, 1)).unflatten(1, inner.shape[:2])[:, None]
        made = Prepared(moving, first, last, LowRankReader(text.reader, low, first=1))
        keys = tokens = low[:0]
        if self.reading:
            first, low, _ = self._by_kind(self.ctx)
            first = text.enter(first.to(text.dtype), slice(1, 1 + first.shape[1]))
            ctx = text.reader(torch.cat([first.to(low.dtype), low]))[:, None, None]
            middle = torch.cat(self._row_keys(fixed, layout, made, layout.middle_position))
            parts = [ctx.expand(-1, -1, layout.reading.count, -1, -1), middle]
            keys = torch.cat(parts, dim=3).to(text.dtype)
        if self.reading < text.depth:
            tokens = self._tokens(fixed[-1, 0], last, layout.middle_position)
        return made, (keys, tokens)

    @property
    def reading(self) -> int:
        """How many layers only read context and rows."""
        return self.text.layers_that_only_read(self.depth - 1)

    def _by_kind(self, x: Tensor) -> Sequence[Tensor]:
        """What is stacked over layers: the first's and the others' that only read, and the one's that does not."""
        first = min(1, self.reading)
        return x.split([first, self.reading - first, self.depth - self.reading])

    def _moved(self, f: Tensor, part: Part, prepared: Prepared) -> Tensor:
        """Coordinates of prefix and suffix rows, (layers, batch, n_cls, prefix + suffix, k)."""
        ends = zip((self.prefix, self.suffix), prepared.moving, strict=True)
        return torch.cat([end(made, f).unflatten(2, (part.n_cls, -1)) for end, made in ends], dim=-2)

    def _row_keys(self, a: Tensor, layout: RowLayout, prepared: Prepared, position: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of rows with coordinates a (layers, batch, n_cls, n, k), in the layers that only read them.

        Those of the first layer have positions of their own and so leave the k dimensions.

        Returns:
            (1, batch, sequences, n, 2 * width) of the first layer, and the same of the others.
        """
        first, low, _ = self._by_kind(a)
        tokens = self.text.enter((first @ prepared.first.mT).to(self.text.dtype), position)
        keys = self.text.blocks[0].kv(tokens), prepared.low(low.flatten(1, 3)).unflatten(1, low.shape[1:4])
        return tuple(layout.reading.by_sequence(x) for x in keys)

    def _tokens(self, a: Tensor, B: Tensor, position: Tensor) -> Tensor:
        """Rows with coordinates a (..., n_cls, n, k) as tokens of the layer that does not only read them."""
        tokens = (a @ B[0].mT).to(self.text.dtype)
        return tokens if self.reading else self.text.enter(tokens, position)

    def _features(self, part: Part, prepared: Prepared, moved: Tensor, keys: Tensor, middle: Tensor) -> Tensor:
        text, layout = self.text, part.layout
        x = text.enter(layout.reading.arrange(layout.words[None]), layout.reading.position)
        if self.reading:
            first, others = self._row_keys(moved, layout, prepared, layout.end_position)
            ends = [*first.to(x.dtype).unbind(0), *others.to(x.dtype).unbind(0)]
            x = text.run(x, layout.reading, range(self.reading), list(zip(keys.unbind(0), ends, strict=True)))
        if self.reading < text.depth:
            ends = self._tokens(moved[-1], prepared.last, layout.end_position)
            ctx = self.ctx[-1].to(x.dtype)
            ctx = ctx if self.reading else text.enter(ctx, slice(1, 1 + len(ctx)))
            parts = [x.flatten(1, 2), ctx[None], middle.flatten(0, 1)[None], ends.flatten(1, 2)]
            x = torch.cat([part.expand(len(ends), -1, -1) for part in parts], dim=1)
            x = text.run(layout.whole.arrange(x), layout.whole, range(self.reading, text.depth))
        return text.project(x.flatten(1, 2)[:, : part.n_cls])
