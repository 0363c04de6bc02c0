"""Text towers of any kind used as they were loaded (mT5, NLLB, ModernBERT): a context enters at the input and nowhere else."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from toolbox.errors import UserError
from vlm.towers.block import unit
from vlm.towers.text import ContextLayout, TextTower
from vlm.towers.tokens import Vocabulary
from vlm.towers.whole import Whole


class WholeText(Whole, TextTower):
    """The frozen text tower; every prompt is computed in full.

    Args:
        encoder: a transformers encoder that takes `inputs_embeds` and `attention_mask`.
        pool: of the encoder's output and the mask (n, length), features (n, width).
        projection: from its width to the joint embedding.
        embed_dim: width of the joint embedding.
        vocabulary: the tokeniser that belongs to it.

    Attributes:
        kind: what its authors call it, for errors.
    """

    causal, read_at = False, "first"  # what is read is the pool's affair

    def __init__(
        self,
        encoder: nn.Module,
        pool: Callable[..., Tensor],
        projection: nn.Module,
        embed_dim: int,
        vocabulary: Vocabulary,
    ) -> None:
        super().__init__()
        self.encoder, self.pool, self.projection = encoder, pool, projection
        self.blocks = nn.ModuleList()
        self.embed_dim, self.vocabulary = embed_dim, vocabulary
        self.kind = getattr(encoder, "kind", type(encoder).__name__)

    @property
    def token_embedding(self) -> Tensor:
        return self.encoder.get_input_embeddings().weight

    @property
    def depth(self) -> int:
        """Layers that prompts can enter: the first."""
        return 1

    def check_layers(self) -> None:
        raise UserError(
            f"a {self.kind} text tower takes prompts at its input alone, not in deeper layers; choose a method with a context "
            "(CoOp, CoCoOp, KgCoOp), or a backbone whose text tower is CLIP's or a BERT"
        )

    def embed(self, tokens) -> Tensor:
        return self.encoder.get_input_embeddings()(torch.as_tensor(tokens, dtype=torch.long, device=self.device))

    def forward(
        self, ctx: Tensor, layout: ContextLayout, deep: Tensor | None = None, normalised: bool = True
    ) -> Tensor:
        """Features of prompts with a learned context, as in `TextTower`.

        Raises:
            UserError: there are prompts for deeper layers.
        """
        if deep is not None and len(deep):
            self.check_layers()
        table = layout.table(ctx.to(self.dtype))
        longest = max(map(len, layout.classes))
        at = torch.zeros(len(layout.classes), longest, dtype=torch.long, device=self.device)
        mask = torch.zeros_like(at)
        for c, own in enumerate(layout.classes):
            at[c, : len(own)] = torch.tensor([index for index, _ in own])
            mask[c, : len(own)] = 1
        features = [self._features(own[at], mask) for own in table]
        if normalised:
            features = [unit(f) for f in features]
        return torch.stack(features) if layout.conditional(ctx) else features[0]

    def _features(self, words: Tensor, mask: Tensor) -> Tensor:
        """Features (n, embed_dim) of word embeddings (n, length, width)."""
        out = self.encoder(inputs_embeds=words, attention_mask=mask)
        return self.projection(self.pool(out, mask)).float()


def mean_pool(out, mask: Tensor) -> Tensor:
    """The mean of all tokens."""
    states, mask = out.last_hidden_state, mask[..., None]
    return (states * mask.to(states.dtype)).sum(1) / mask.sum(1)


def max_pool(out, mask: Tensor) -> Tensor:
    """The largest of each dimension over all tokens."""
    return out.last_hidden_state.masked_fill(mask[..., None] == 0, -torch.inf).amax(1)


def first_pool(out, mask: Tensor) -> Tensor:
    """The first token."""
    return out.last_hidden_state[:, 0]


def own_pool(out, mask: Tensor) -> Tensor:
    """What the encoder's own pooler makes of the first token, or that token where it has none."""
    pooled = getattr(out, "pooler_output", None)
    return first_pool(out, mask) if pooled is None else pooled
