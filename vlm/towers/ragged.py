"""The prompts of all classes side by side in a few sequences, so that one call of attention serves them all.

Class names have two to a dozen word pieces. Instead of a padded sequence for each, several classes share one: first what
all classes have in common, once, then each class's own tokens. A mask keeps the classes apart. Nothing is repeated or
padded within a sequence; only the shorter sequences are filled up to the longest.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

KEYS = 128  # a sequence may have: attention grows with their number, and those of other classes are masked anyway
SHARED, NOBODY = -1, -2  # owners of tokens that all classes see, and of those that none does

Token = tuple[int, int]  # index into a table of embeddings, position in the prompt


class Readout(NamedTuple):
    """What is read of a prompt after the last layer: one token, or the mean of all.

    Attributes:
        behind: how many tokens of each class's prompt stand behind the one that is read; None reads the first.
        mean: all are read.
        unseen: no token sees the one that is read, itself included (CoCa).
    """

    behind: Sequence[int] | None = None
    mean: bool = False
    unseen: bool = False


class Packed:
    """Where the tokens of prompts lie in `count` sequences of `length`, with `group` classes in each.

    The last sequence is filled up with copies of the last class, whose features nobody takes.

    Args:
        shared: the tokens that stand in front of all classes.
        classes: each class's own tokens.
        causal: a token sees only what stands no later than itself.
        readout: which tokens are read.
        like: a tensor with the device and dtype of the tower.
        read: what else is read as keys, left of the tokens' own: positions that all classes see, (n,), or each class its
            own, (n_cls, n), with -1 where there is none.

    Attributes:
        order: (count * length,) indices into the table.
        position: (count, length), of each token in its prompt.
        at: for each class, where its own tokens lie in count * length.
        last: (count * group,) where the tokens that are read after the last layer lie in count * length.
        shares: (count, group, length), the weight of each token in what is read of a class; None where it is one token.
    """

    def __init__(
        self,
        shared: Sequence[Token],
        classes: Sequence[Sequence[Token]],
        causal: bool,
        readout: Readout,
        like: Tensor,
        read: Sequence[Tensor] = (),
    ) -> None:
        self.n_cls = len(classes)
        keys = sum(part.shape[1] for part in read if part.dim() == 2)
        self.group = _classes_a_sequence([len(own) + keys for own in classes], len(shared))
        filled = [*classes, *[classes[-1]] * (-len(classes) % self.group)]
        groups = [filled[i : i + self.group] for i in range(0, len(filled), self.group)]
        self.count = len(groups)
        self.length = len(shared) + max(sum(map(len, group)) for group in groups)
        tokens, owners, at = [], [], []
        for group in groups:
            start = end = len(tokens)
            for owner, own in ((SHARED, shared), *enumerate(group), (NOBODY, [(0, 0)] * self.length)):
                own = own[: start + self.length - end]
                at.append(range(end, end + len(own)))
                tokens += own
                owners += [owner] * len(own)
                end += len(own)
        at = [own for i, own in enumerate(at) if 0 < i % (self.group + 2) <= self.group]
        self.at = at[: self.n_cls]
        shape, device = (self.count, self.length), like.device
        self.order, self.position = torch.tensor(tokens, device=device).T.contiguous()
        self.position = self.position.view(shape)
        self.last = torch.tensor(self._read_at(at, filled, readout), device=device)
        self.shares = self._equal_shares(at, like) if readout.mean else None
        self._mask(torch.tensor(owners, device=device).view(shape), causal, readout.unseen, like, read)

    @staticmethod
    def _read_at(at: Sequence[range], classes: Sequence[Sequence[Token]], readout: Readout) -> list[int]:
        if readout.behind is None:
            return [own[min(range(len(own)), key=lambda i, c=c: c[i][1])] for own, c in zip(at, classes, strict=True)]
        behind = [*readout.behind, *[readout.behind[-1]] * (len(at) - len(readout.behind))]
        places = [sorted(range(len(c)), key=lambda i, c=c: c[i][1]) for c in classes]
        return [own[place[-1 - b]] for own, place, b in zip(at, places, behind, strict=True)]

    def _equal_shares(self, at: Sequence[range], like: Tensor) -> Tensor:
        shares = torch.zeros(self.count * self.group, self.count * self.length)
        for row, own in zip(shares, at, strict=True):
            row[own.start : own.stop] = 1 / len(own)
        shares = shares.view(self.count, self.group, self.count, self.length)
        return shares.diagonal(dim1=0, dim2=2).permute(2, 0, 1).to(like)

    def _mask(self, owner: Tensor, causal: bool, unseen: bool, like: Tensor, read: Sequence[Tensor]) -> None:
        owners, positions = [], []
        for part in read:
            if part.dim() == 1:
                part = part.to(owner.device).expand(self.count, -1)
                owners.append(torch.full_like(part, SHARED))
            else:
                part = self.by_sequence(part.to(owner.device)[..., None])[..., 0]
                each = torch.arange(self.group, device=owner.device).repeat_interleave(part.shape[1] // self.group)
                owners.append(torch.where(part < 0, NOBODY - 1, each))  # unlike padding, which sees itself
            positions.append(part)
        keys, places = torch.cat([*owners, owner], 1)[:, None], torch.cat([*positions, self.position], 1)[:, None]
        seen = (keys == SHARED) | (keys == owner[:, :, None])
        if causal:
            seen &= places <= self.position[:, :, None]
        self.keys = seen.shape[-1]
        if unseen:
            sequence, place = self.last // self.length, self.last % self.length
            seen[sequence, :, self.keys - self.length + place] = False
        # GPU kernels want rows that begin at multiples of 16; otherwise they copy the mask in every layer.
        wide = seen.new_zeros(self.count, 1, self.length, -(-self.keys // 16) * 16)
        wide[..., : self.keys] = seen[:, None]
        self.all_masks = torch.zeros(wide.shape, device=like.device, dtype=like.dtype).masked_fill_(~wide, -torch.inf)
        self.last_masks = self.all_masks[:, 0].flatten(0, 1)[self.last].unflatten(0, (self.count, 1, self.group))

    def masks(self, batch: int, last: bool = False) -> Tensor:
        """(1 or batch * count, 1, n, keys), added to scores, of all tokens or only of those that are read at the end."""
        masks = self.last_masks if last else self.all_masks
        return (masks if self.count == 1 else masks.repeat(batch, 1, 1, 1))[..., : self.keys]

    def arrange(self, table: Tensor) -> Tensor:
        """(batch, entries, width) -> (batch, count, length, width)"""
        return table.index_select(1, self.order).unflatten(1, (self.count, self.length))

    def at_last(self, x: Tensor) -> Tensor:
        """(batch, count, length, width) -> (batch, count, group, width): the tokens that are read after the last layer."""
        return x.flatten(1, 2).index_select(1, self.last).unflatten(1, (self.count, self.group))

    def averaged(self, x: Tensor) -> Tensor:
        """(batch, count, length, width) -> (batch, count, group, width): the mean of each class's tokens."""
        return self.shares @ x

    def by_sequence(self, x: Tensor) -> Tensor:
        """What is given for each class, (..., n_cls, n, k), as the sequences have it: (..., count, group * n, k)."""
        if (missing := self.count * self.group - self.n_cls) > 0:
            last = x[..., -1:, :, :]
            x = torch.cat([x, last.expand(*last.shape[:-3], missing, *last.shape[-2:])], dim=-3)
        return x.unflatten(-3, (self.count, self.group)).flatten(-3, -2)


def _classes_a_sequence(sizes: list[int], shared: int) -> int:
    """How many classes a sequence need the fewest tokens, padding and copies included, within `KEYS` keys a sequence."""
    best, least = 1, None
    for group in range(1, len(sizes) + 1):
        filled = [*sizes, *[sizes[-1]] * (-len(sizes) % group)]
        longest = max(sum(filled[i : i + group]) for i in range(0, len(filled), group))
        if group > 1 and shared + longest > KEYS:
            break
        tokens = len(filled) // group * (shared + longest)
        if least is None or tokens <= least:
            best, least = group, tokens
    return best
