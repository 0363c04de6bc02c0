"""CLIP's text tower, and those built of the same blocks: SigLIP's, CLIPA's and MobileCLIP's, which are not causal."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vlm.towers.block import Block, LayerNorm, projected, unit
from vlm.towers.text import TextTower
from vlm.towers.tokens import Vocabulary


class ClipText(TextTower):
    """The frozen text tower.

    Args:
        token_embedding: weight (vocabulary, width).
        positional_embedding: (positions, width).
        blocks: pre-norm blocks, in order.
        ln_final: the model's last LayerNorm.
        text_projection: (width, embed_dim), or a linear layer, or None where features are as wide as the tower.
        vocabulary: the tokeniser that belongs to it.
        causal, read_at, unseen: see `TextTower`.
    """

    def __init__(
        self,
        token_embedding: nn.Parameter,
        positional_embedding: nn.Parameter,
        blocks: Sequence[Block],
        ln_final: nn.LayerNorm,
        text_projection: nn.Parameter | nn.Linear | None,
        vocabulary: Vocabulary,
        causal: bool = True,
        read_at: str = "end",
        unseen: bool = False,
    ) -> None:
        super().__init__()
        self.token_embedding = token_embedding
        if vocabulary.start is None:
            # Prompts count positions from the start token's. Where there is none, its place is empty and nobody reads it.
            nobody = torch.zeros_like(positional_embedding[:1])
            positional_embedding = nn.Parameter(torch.cat([nobody, positional_embedding.detach()]))
        self.positional_embedding = positional_embedding
        self.blocks = nn.ModuleList(blocks)
        self.ln_final = LayerNorm(ln_final)
        self.text_projection = text_projection
        self.vocabulary, self.causal, self.read_at, self.unseen = vocabulary, causal, read_at, unseen
        if isinstance(text_projection, nn.Linear):
            self.embed_dim = text_projection.out_features
        else:
            self.embed_dim = self.width if text_projection is None else text_projection.shape[1]

    def enter(self, words: Tensor, where: slice | Tensor) -> Tensor:
        return words + self.positional_embedding[where].to(self.dtype)

    def project(self, x: Tensor, normalised: bool = True) -> Tensor:
        features = projected(self.ln_final(x), self.text_projection)
        return unit(features) if normalised else features.float()
