"""A data set's language-model rows: cut into those that are intervened on and the others, and their place in prompts."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vlm.towers.ragged import Packed, Readout, Token
from vlm.towers.text import TextTower


@dataclass
class RowBatch:
    """prefix (n_cls, prefix, D), suffix (n_cls, suffix, D), middle (n_cls, longest middle, D); `lengths` are the numbers of
    rows a class."""

    prefix: Tensor
    middle: Tensor
    suffix: Tensor
    lengths: list[int]

    @classmethod
    def cut(cls, rows: Sequence[Tensor], prefix: int, suffix: int) -> "RowBatch":
        """From one (rows, D) tensor a class, each with at least prefix + suffix rows."""
        lengths = [len(r) for r in rows]
        middles = [r[prefix : len(r) - suffix] for r in rows]
        middle = torch.nn.utils.rnn.pad_sequence(middles, batch_first=True)
        ends = (torch.stack([r[:prefix] for r in rows]), torch.stack([r[len(r) - suffix :] for r in rows]))
        return cls(ends[0], middle, ends[1], lengths)


class RowLayout:
    """Where the parts of [start][ctx][rows][name].[end] lie in each class's prompt.

    Args:
        text: the tower.
        pieces: each class's word pieces and what stands behind them.
        rows: the classes' rows.
        n_ctx: length of the context.

    Attributes:
        reading: where start and names lie in layers that only read context and rows; their table is `words`.
        whole: where all lie in layers where all are tokens, as indices into
            [tokens of the former][context][middles of all classes][ends of all classes].
        middle_position, end_position: of the rows, (n_cls, middle) with -1 where a class has fewer, (n_cls, ends).
    """

    def __init__(self, text: TextTower, pieces: Sequence[Sequence[int]], rows: RowBatch, n_ctx: int) -> None:
        first, device = 1 + n_ctx, text.device
        p, s, m = rows.prefix.shape[1], rows.suffix.shape[1], rows.middle.shape[1]
        lengths = torch.tensor(rows.lengths)[:, None]
        at, inner = torch.arange(p + s), torch.arange(m)
        # Rows at the ends: the prefix begins behind the context, the suffix ends where the class's rows end.
        self.end_position = (first + torch.where(at < p, at, lengths + at - p - s)).to(device)
        self.middle_position = torch.where(inner < lengths - p - s, first + p + inner, -1).to(device)
        self.words, readout = text.lead_and(pieces), text.readout(pieces)
        start, names_at, seen = text.lead, [], 1
        for length, x in zip(rows.lengths, pieces, strict=True):
            places = text.vocabulary.positions(first + length, len(x))
            names_at.append([(seen + i, place) for i, place in enumerate(places)])
            seen += len(x)
        shared, own = (start, names_at) if text.causal else ([], [start + x for x in names_at])
        read = [torch.arange(1, first), self.middle_position, self.end_position]
        self.reading = Packed(shared, own, text.causal, readout, self.words, read)
        self.whole = self._whole(shared, own, n_ctx, text.causal, readout)

    def _whole(self, shared: list[Token], own: list[list[Token]], n_ctx: int, causal: bool, readout: Readout) -> Packed:
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
            return Packed(shared + ctx, [r + x for r, x in zip(rows, own, strict=True)], causal, readout, self.words)
        return Packed(shared, [x + ctx + r for r, x in zip(rows, own, strict=True)], causal, readout, self.words)
