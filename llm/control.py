"""Rows with the knowledge of their class replaced, to test what a method takes from the real ones.

| rows | what is left |
| --- | --- |
| shuffled | all of the language model's, but another class's |
| random | nothing but which class it is |
| bag_of_words | the words of the text that the language model read, without the language model |
| planted | all that the CLIP itself knows of a text it understands: the most that rows can carry |
| none | nothing |
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from toolbox.errors import UserError, nearest

KINDS = ("real", "shuffled", "random", "bag_of_words", "planted", "none")


def control_rows(
    kind: str,
    rows: Mapping[str, Tensor],
    classnames: Sequence[str],
    seed: int,
    texts: Mapping[str, str] | None = None,
    features: Mapping[str, Tensor] | None = None,
) -> list[Tensor]:
    """One `(layers, width)` tensor a class of `classnames`, in that order.

    Args:
        kind: one of KINDS.
        rows: the real ones of every class there is: but for `shuffled`, what a class gets depends on all of these and
            not on which of them are asked for, so base and new classes share one random map.
        seed: of what is drawn.
        texts: bag_of_words: what the language model read of every class.
        features: planted: the CLIP's text feature of every class, `(embed_dim,)`.

    Raises UserError for an unknown kind, and for one whose texts or features are missing.
    """
    if kind not in KINDS:
        raise UserError(f"rows '{kind}': no such control ({nearest(kind, KINDS)})")
    asked = [rows[name] for name in classnames]
    if kind == "real":
        return asked
    if kind == "none":
        return [r[:0] for r in asked]
    if kind == "shuffled":
        return shuffled_rows(asked, seed)
    vectors = (
        torch.eye(len(rows))
        if kind == "random"
        else _vectors(kind, rows, texts if kind == "bag_of_words" else features)
    )
    made = dict(zip(rows, mapped_rows(vectors, list(rows.values()), seed), strict=True))
    return [made[name] for name in classnames]


def shuffled_rows(rows: Sequence[Tensor], seed: int) -> list[Tensor]:
    """Every class gets the whole set of rows of another class: a derangement, the same for the same seed.

    Raises UserError for a single class, which has no other to swap with.
    """
    if len(rows) < 2:
        raise UserError("shuffled rows need at least two classes")
    generator = torch.Generator().manual_seed(seed)
    places = torch.arange(len(rows))
    # About one permutation in e moves every class, so drawing until one does is quick and uniform over derangements.
    while bool(((order := torch.randperm(len(rows), generator=generator)) == places).any()):
        pass
    return [rows[i] for i in order.tolist()]


def mapped_rows(vectors: Tensor, rows: Sequence[Tensor], seed: int) -> list[Tensor]:
    """The image of each class's vector under a random linear map to rows, of the same shapes as `rows`.

    Each layer is scaled to keep its mean norm over the classes. Layers are matched by their number from the first; classes
    may have different numbers of them.

    Args:
        vectors: (n_cls, features).
        rows: n_cls tensors (layers, width).
        seed: of the map.
    """
    generator = torch.Generator().manual_seed(seed)
    layers, width = max(map(len, rows)), rows[0].shape[1]
    made = [row.clone() for row in rows]
    for layer in range(layers):
        image = vectors.float() @ torch.randn(vectors.shape[1], width, generator=generator)
        having = [i for i, row in enumerate(rows) if len(row) > layer]
        wanted = torch.stack([rows[i][layer].float().norm() for i in having]).mean()
        image *= wanted / image[having].norm(dim=1).mean()
        for i in having:
            made[i][layer] = image[i]
    return made


def _vectors(kind: str, rows: Mapping[str, Tensor], known: Mapping[str, str | Tensor] | None) -> Tensor:
    """(n_cls, features): what is known of each class that has rows, as numbers."""
    missing = [name for name in rows if name not in (known or {})]
    if missing:
        what = "the row file to hold the texts" if kind == "bag_of_words" else "words that the CLIP understands"
        raise UserError(f"rows '{kind}' need {what} of every class; there are none for {missing[0]!r}")
    if kind == "planted":
        return torch.stack([known[name] for name in rows])
    words = [Counter(re.findall(r"\w+", known[name].lower())) for name in rows]
    vocabulary = sorted(set().union(*words))
    return torch.tensor([[count[word] for word in vocabulary] for count in words], dtype=torch.float32)
