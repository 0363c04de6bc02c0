"""Seeded, stratified division of images into parts that keeps patients together."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from .split import Item, ordered


def rank(seed: int, *names: str) -> str:
    """A fixed pseudo-random key of (seed, names): the same on every machine and Python version."""
    return hashlib.sha256("\0".join([str(seed), *names]).encode(errors="surrogatepass")).hexdigest()


def divide(
    items: Sequence[Item], shares: Mapping[str, float], seed: int, groups: Mapping[str, str] | None = None
) -> dict[str, list[Item]]:
    """Divide `items` into parts of about `shares` (they sum to 1) of every class; each group goes to one part whole.

    A function of (items, shares, seed, groups) alone. Classes with as many groups (of like size, of
    that class alone) as parts or more have images in every part. Every class is in train, and one with a group to spare
    in test, whatever that leaves for val.
    """
    groups = groups or {}
    members: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        members[groups.get(item.path, f"\0{item.path}")].append(item)
    wanted = _targets(items, shares, members)
    have = {part: Counter() for part in shares}
    placed: dict[str, str] = {}
    for group in sorted(members, key=lambda group: (-len(members[group]), rank(seed, group))):
        count = Counter(item.label for item in members[group])
        part = max(
            shares, key=lambda part: sum(n * (wanted[part][label] - have[part][label]) for label, n in count.items())
        )
        have[part].update(count)
        placed[group] = part
    _fill(placed, {group: {item.label for item in chosen} for group, chosen in members.items()}, shares)
    return {
        part: ordered(item for group in placed if placed[group] == part for item in members[group]) for part in shares
    }


def cut_validation(
    train: Sequence[Item], share: float, seed: int, groups: Mapping[str, str] | None = None
) -> tuple[list[Item], list[Item]]:
    """Cut about `share` of every class from `train`; returns (train, val). No class loses its last training image."""
    parts = divide(train, {"train": 1 - share, "val": share}, seed, groups)
    return parts["train"], parts["val"]


def _fill(placed: dict[str, str], labels: Mapping[str, set[int]], shares: Mapping[str, float]) -> None:
    """Move whole groups in `placed` (group to part) until every class is in train and, where it can be, in test.

    Val gives first; train gives only groups whose classes it has in others too. Of several, the earliest placed last goes.
    """
    for part, givers in (("train", ("val", "test")), ("test", ("val", "train"))):
        for label in sorted(set().union(*labels.values())) if shares.get(part, 0) > 0 else ():
            if any(placed[group] == part for group in placed if label in labels[group]):
                continue
            in_train = Counter(other for group in placed if placed[group] == "train" for other in labels[group])
            for giver in givers:
                able = [group for group in placed if placed[group] == giver and label in labels[group]]
                if giver == "train":
                    able = [group for group in able if all(in_train[other] > 1 for other in labels[group])]
                if able:
                    placed[able[-1]] = part
                    break


def _targets(
    items: Sequence[Item], shares: Mapping[str, float], members: Mapping[str, list[Item]]
) -> dict[str, dict[int, float]]:
    """Images of each class that each part should get: its share, but at least a group where there are enough for all parts."""
    total = Counter(item.label for item in items)
    n_groups = Counter(label for group in members.values() for label in {item.label for item in group})
    wanted: dict[str, dict[int, float]] = {part: {} for part in shares}
    for label, n in total.items():
        one = n / n_groups[label]
        poor = [part for part in shares if 0 < shares[part] * n < one and n_groups[label] >= len(shares)]
        rest = sum(shares[part] for part in shares if part not in poor)
        for part, share in shares.items():
            wanted[part][label] = one if part in poor else share * (n - one * len(poor)) / rest
    return wanted
