"""CILMP's text branch on a BERT: [CLS][ctx][LLM rows][class name].[SEP], read at [CLS].

The same trained parts and the same mathematics as `vlm.prompts.conditional`. In every layer but the last prompted one,
context and rows are thrown away before the next layer, so they are read as keys and values only; here nothing normalises
them before that, and rows p = B a give K, V = (W B) a + w directly in their k dimensions. [CLS] and the name's tokens
depend on the image.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.prompts.conditional import ConditionalText, RowLayout
from vlm.prompts.rows import LowRankKeys, RowBatch
from vlm.towers.attention import Shared
from vlm.towers.bert import BertBlock, BertText
from vlm.towers.ragged import Ragged
from vlm.towers.tokens import NameTokens


class BertRowLayout(RowLayout):
    """As `RowLayout`, with each class's [CLS] in front of its name's tokens in `tail`."""

    def __init__(self, text: BertText, names: NameTokens, rows: RowBatch, n_ctx: int) -> None:
        super().__init__(text, names, rows, n_ctx)
        device, p, s, m = text.device, rows.prefix.shape[1], rows.suffix.shape[1], rows.middle.shape[1]
        pieces, n = [[text.vocabulary.start, *x] for x in names.whole], len(names)
        lengths = torch.tensor(rows.lengths, device=device)
        self.tail = Ragged([len(x) for x in pieces], device)
        self.tokens = torch.tensor([t for x in pieces for t in x], device=device)
        column, count = self.tail.column, lengths[self.tail.sequence]
        self.tail_position = torch.where(column == 0, 0, n_ctx + count + column)
        # Where all are tokens: indices into [context][ends of all classes][middles of all classes][own tokens of all].
        order, own = [], n_ctx + n * (p + s + m)
        for c, (length, piece) in enumerate(zip(rows.lengths, pieces, strict=True)):
            ends, middle = n_ctx + c * (p + s), n_ctx + n * (p + s) + c * m
            order += [own, *range(n_ctx), *range(ends, ends + p), *range(middle, middle + length - p - s)]
            order += [*range(ends + p, ends + p + s), *range(own + 1, own + len(piece))]
            own += len(piece)
        self.order = torch.tensor(order, device=device)
        self.whole = Ragged([n_ctx + k + len(x) for k, x in zip(rows.lengths, pieces, strict=True)], device)


class RawLowRankKeys(LowRankKeys):
    """Rows as keys of a layer that normalises behind attention, not before it: K, V = (W B) a + w."""

    @torch.autocast("cuda", enabled=False)
    @torch.autocast("cpu", enabled=False)
    def __init__(self, block: BertBlock, B: Tensor, fixed: Tensor, mask: Tensor, moved: Tensor) -> None:
        wide = torch.promote_types(B.dtype, torch.float32)
        weight, bias = block.in_weight[block.width :].to(wide), block.in_bias[block.width :].to(wide)
        basis = torch.cat([weight @ B.to(wide), bias[:, None]], dim=1).to(block.in_weight.dtype)
        self.k, self.v = (half.unflatten(0, (block.heads, -1)) for half in basis.chunk(2))
        self.fixed, self.moved = (self._with_one(a).to(basis.dtype) for a in (fixed, moved))
        self.mask = mask.to(basis.dtype)[:, None, None]
        self.n_fixed = fixed.shape[-2]

    @staticmethod
    def _with_one(a: Tensor) -> Tensor:
        return torch.cat([a, torch.ones_like(a[..., :1])], dim=-1)


class ConditionalBert(ConditionalText):
    """`ConditionalText` for a `BertText`; arguments and result are the same."""

    row_layout = BertRowLayout
    row_keys = RawLowRankKeys

    def _features(self, moved: Tensor, fixed: Tensor, prefix: Sequence[Shared]) -> Tensor:
        text, layout, last = self.text, self.layout, self.depth - 1
        reading = len(prefix)
        extra = []
        for i, ctx in enumerate(prefix):
            rows = self._keys(i, moved[i], fixed[i])
            extra.append([ctx, *(rows if i == 0 else [rows])])
        x = text.enter(text.embed(layout.tokens), layout.tail_position)[None]
        x = text.run(x, layout.tail, range(reading), extra)
        if reading < text.depth:
            ends, middle = self._tokens(last, moved[last], fixed[last])
            ctx = self.ctx[last].to(x.dtype)
            ctx = ctx if last else text.enter(ctx, slice(1, 1 + len(ctx)))
            batch = len(ends)
            parts = [ctx[None], ends.flatten(1, 2), middle.flatten(1, 2), x]
            x = torch.cat([part.expand(batch, -1, -1) for part in parts], dim=1).index_select(1, layout.order)
            x = text.run(x, layout.whole, range(reading, text.depth))
        return text.project(x)

    def _tokens(self, i: int, moved: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
        ends, middle = ((a @ self.projection.B[i].mT).to(self.text.dtype) for a in (moved, fixed[None]))
        if i:
            return ends, middle
        return self.text.enter(ends, self.layout.end_position), self.text.enter(middle, self.layout.middle_position)
