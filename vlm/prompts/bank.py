"""Banks of text: features of many sentences a class."""

from collections.abc import Sequence

import torch
from torch import Tensor

from toolbox.errors import UserError
from vlm.backbone import Backbone
from vlm.towers.block import unit


def text_bank(clip: Backbone, classnames: Sequence[str], texts: Sequence[Sequence[str]]) -> list[Tensor]:
    """Normalised features of each class's sentences, (sentences of the class, embed_dim) each.

    A sentence too long for the text tower is left out, and how many are is printed.

    Raises:
        UserError: a class has no sentence that fits.
    """
    vocabulary = clip.text.vocabulary
    room = vocabulary.context_length - 2
    kept = [[text for text in own if len(vocabulary.encode(text)) <= room] for own in texts]
    for name, own in zip(classnames, kept, strict=True):
        if not own:
            raise UserError(
                f"class {name!r}: none of its sentences fits the text tower, which has room for {room} word pieces"
            )
    if left_out := sum(map(len, texts)) - sum(map(len, kept)):
        print(f"Sentences: {left_out} are longer than the text tower's {room} word pieces and left out")
    features = clip.text.encode([text for own in kept for text in own])
    return list(features.split([len(own) for own in kept]))


def means(bank: Sequence[Tensor]) -> Tensor:
    """Normalised mean of each class's sentences, (n_cls, embed_dim)."""
    return unit(torch.stack([own.mean(0) for own in bank]))


def rectangular(bank: Sequence[Tensor]) -> Tensor:
    """(n_cls, most, embed_dim): a class with fewer sentences than others has its own again, from the first on."""
    most = max(map(len, bank))
    return torch.stack([own[torch.arange(most, device=own.device) % len(own)] for own in bank])
