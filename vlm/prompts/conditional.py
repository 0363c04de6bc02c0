"""CILMP's text branch: prompts [SOS][ctx][LLM rows][class name].[EOT] whose rows depend on the image (arXiv 2511.12639)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from toolbox.errors import UserError
from vlm.prompts.chunks import images_per_chunk, in_chunks
from vlm.prompts.intervention import Intervention, LowRankProjection, dropout_mask
from vlm.prompts.rows import LowRankKeys, RowBatch
from vlm.towers.attention import Keys, Own
from vlm.towers.ragged import Ragged
from vlm.towers.text import CausalText
from vlm.towers.tokens import NameTokens


class RowLayout:
    """Positions of rows and names behind [SOS][ctx]; where each class's rows lie in the tables that hold them."""

    def __init__(self, text: CausalText, names: NameTokens, rows: RowBatch, n_ctx: int) -> None:
        device, first = text.device, 1 + n_ctx
        pieces = names.whole
        p, s, m = rows.prefix.shape[1], rows.suffix.shape[1], rows.middle.shape[1]
        lengths = torch.tensor(rows.lengths, device=device)
        self.tail = Ragged([len(x) for x in pieces], device)
        self.tokens = torch.tensor([t for x in pieces for t in x], device=device)
        self.tail_position = first + lengths[self.tail.sequence] + self.tail.column
        at = torch.arange(p + s, device=device)
        # Rows at the ends: the prefix begins behind the context, the suffix ends where the class's rows end.
        self.end_position = first + torch.where(at < p, at, lengths[:, None] + at - p - s)
        self.middle_position = first + p + torch.arange(m, device=device)
        # For layers that compute rows in full: each class's rows and name in reading order, as indices into
        # [ends of all classes][middles of all classes][names of all classes].
        n, order, name_at = len(pieces), [], 0
        for c, (count, piece) in enumerate(zip(rows.lengths, pieces, strict=True)):
            ends, middle = c * (p + s), n * (p + s) + c * m
            order += [*range(ends, ends + p), *range(middle, middle + count - p - s), *range(ends + p, ends + p + s)]
            order += range(n * (p + s + m) + name_at, n * (p + s + m) + name_at + len(piece))
            name_at += len(piece)
        self.order = torch.tensor(order, device=device)
        self.whole = Ragged([count + len(x) for count, x in zip(rows.lengths, pieces, strict=True)], device)


class ConditionalText(nn.Module):
    """Trained parts of the text branch, and the text features they give for each image.

    Args:
        text: the frozen causal tower (kept out of the module's own parameters).
        rows: one (L_c, D) tensor a class, float32.
        names: class names that were checked to fit behind `n_ctx + L_c` positions.
        ctx: (n_ctx, width), the initial context at the input.
        depth: prompted text layers.
        prefix, suffix: how many rows at either end are intervened on.
        rank: k.
        embed_dim: width of image features.
        dropout: on intervened rows.
        dropout_per_image: a mask of its own for each image, as in the reference; dearer in memory.
        budget: bytes that the class tokens of one chunk of images may take in each layer.

    Raises:
        UserError: prefix + suffix exceed a class's rows, rows differ in width, or depth exceeds the tower's.
    """

    row_layout = RowLayout  # another kind of tower places rows and reads them in its own way
    row_keys = LowRankKeys

    def __init__(
        self,
        text: CausalText,
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
        budget: int = 64 << 20,
    ) -> None:
        super().__init__()
        self._check(rows, names, depth, text.depth, prefix, suffix)
        object.__setattr__(self, "text", text)  # frozen and shared: no part of this module's state
        self.dropout, self.dropout_per_image, self.budget = dropout, dropout_per_image, budget
        rows = [r.to(text.device) for r in rows]
        llm_dim = rows[0].shape[1]
        self.rows = RowBatch.cut(rows, prefix, suffix)
        self.layout = self.row_layout(text, names, self.rows, len(ctx))
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

    def forward(self, image_features: Tensor) -> Tensor:
        """Normalised text features of every class for every image, (batch, n_cls, embed_dim).

        Args:
            image_features: (batch, E), normalised.
        """
        # Coordinates are k wide and few: float32 costs nothing here and keeps sums over D exact under half precision.
        with torch.autocast(image_features.device.type, enabled=False):
            moved = self._moved(image_features.to(self.ctx.dtype))
            fixed = self.projection.coordinates(self.rows.middle)
        prefix = self.text.prefix(self.ctx[0], self.ctx[1:])
        return in_chunks(lambda chunk: self._features(chunk, fixed, prefix), moved, self._images_per_chunk(), dim=1)

    def _moved(self, f: Tensor) -> Tensor:
        """Coordinates of prefix and suffix rows, (layers, batch, n_cls, prefix + suffix, k)."""
        ends = []
        for rows, intervention in ((self.rows.prefix, self.prefix), (self.rows.suffix, self.suffix)):
            mask = None
            if self.training and self.dropout > 0:
                images = len(f) if self.dropout_per_image else 1
                mask = dropout_mask((self.depth, images, *rows.shape), self.dropout, rows)
            ends.append(intervention(rows, f, self.projection.A, mask))
        return torch.cat(ends, dim=-2)

    def _images_per_chunk(self) -> int:
        own = self.layout.whole if self.depth < self.text.depth else self.layout.tail
        return images_per_chunk(own.total, self.text.width, self.text.token_embedding.element_size(), self.budget)

    def _features(self, moved: Tensor, fixed: Tensor, prefix: Sequence) -> Tensor:
        text, layout, last = self.text, self.layout, self.depth - 1
        names = (text.embed(layout.tokens) + text.positions(layout.tail_position))[None]
        if self.depth == text.depth:
            keys = [self._keys(i, moved[i], fixed[i]) for i in range(self.depth)]
            return text.project(text.tail(names, layout.tail, prefix, [[k] if i else k for i, k in enumerate(keys)]))
        # Layers below the last prompted one only read the rows; from it on, rows are tokens like any other.
        x = names
        if last:
            keys = [self._keys(i, moved[i], fixed[i]) for i in range(last)]
            x = text.tail(x, layout.tail, prefix, [[k] if i else k for i, k in enumerate(keys)], range(last))
        ends, middle = self._tokens(last, moved[last], fixed[last])
        batch = len(ends)
        parts = [ends.flatten(1, 2), middle.flatten(1, 2).expand(batch, -1, -1), x.expand(batch, -1, -1)]
        x = torch.cat(parts, dim=1).index_select(1, layout.order)
        return text.project(text.tail(x, layout.whole, prefix, layers=range(last, text.depth)))

    def _tokens(self, i: int, moved: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
        """Rows as tokens of layer i: at the ends (batch, n_cls, ends, T), in the middle (1, n_cls, middle, T)."""
        ends, middle = (a @ self.projection.B[i].mT for a in (moved, fixed[None]))
        ends, middle = ends.to(self.text.dtype), middle.to(self.text.dtype)
        if i == 0:
            ends = ends + self.text.positions(self.layout.end_position)
            middle = middle + self.text.positions(self.layout.middle_position)
        return ends, middle

    def _keys(self, i: int, moved: Tensor, fixed: Tensor) -> Keys | list[Keys]:
        """Rows as keys of layer i. At the input each carries a position of its own, so they leave the k dimensions."""
        block = self.text.blocks[i]
        if i:
            return self.row_keys(block, self.projection.B[i], fixed, self.rows.mask, moved)
        ends, middle = self._tokens(0, moved, fixed)
        return [Own(*block.kv(middle), self.rows.mask[:, None, None]), Own(*block.kv(ends))]
