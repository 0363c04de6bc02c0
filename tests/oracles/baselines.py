"""Text sides of the baselines as their reference programs compute them: every prompt 77 tokens, CoCoOp image by image.

Slow and obviously right; the fast tower in `vlm.towers.text` must agree with it.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.oracles.cilmp import plain_block
from trainers.cocoop import CoCoOpModel
from trainers.coop import CoOpModel
from vlm.prompts.deep import DeepText
from vlm.prompts.prompted import PromptedCLIP
from vlm.towers.text import CausalText


def tower(text: CausalText, x: Tensor, eot: Sequence[int], deep: Tensor | None = None) -> Tensor:
    """Normalised features of prompts x (n_cls, 77, width) read at `eot`; deep (layers - 1, n_ctx, width) as it replaces."""
    mask = torch.full((x.shape[1], x.shape[1]), float("-inf")).triu(1)
    x = x + text.positional_embedding
    for i, block in enumerate(text.blocks):
        if deep is not None and 0 < i <= len(deep):
            x = torch.cat([x[:, :1], deep[i - 1].expand(len(x), -1, -1), x[:, 1 + deep.shape[1] :]], dim=1)
        x = plain_block(block, x, mask)
    return F.normalize(text.ln_final(x[range(len(x)), eot]) @ text.text_projection, dim=-1)


def prompts(text: CausalText, classnames: Sequence[str], ctx: Tensor, words: Tensor) -> tuple[Tensor, list[int]]:
    """Embeddings (n_cls, 77, width) of [SOS][ctx][words][class].[EOT][padding], and where EOT stands.

    Args:
        ctx: (n_ctx, width), or (n_cls, n_ctx, width).
        words: (n, width), fixed words behind the context.
    """
    vocabulary, embedded, eot = text.vocabulary, [], []
    for c, name in enumerate(classnames):
        pieces = vocabulary.encode(name.replace("_", " ") + ".")
        own = ctx if ctx.dim() == 2 else ctx[c]
        eot.append(1 + len(own) + len(words) + len(pieces))
        padding = [0] * (vocabulary.context_length - 1 - eot[-1])
        rest = text.token_embedding[[*pieces, vocabulary.end, *padding]]
        embedded.append(torch.cat([text.token_embedding[[vocabulary.start]], own, words, rest]))
    return torch.stack(embedded), eot


def text_features(model: PromptedCLIP, classnames: Sequence[str], image_features: Tensor) -> Tensor:
    """(n_cls, embed_dim), or (batch, n_cls, embed_dim) for CoCoOp; context in front of the class name."""
    text, none = model.clip.text, model.clip.text.token_embedding[:0]
    if isinstance(model, CoCoOpModel):
        biases = model.meta_net(image_features)
        return torch.stack([tower(text, *prompts(text, classnames, model.ctx + bias, none)) for bias in biases])
    if isinstance(model, CoOpModel):
        return tower(text, *prompts(text, classnames, model.ctx, none))
    deep: DeepText = model.text
    return tower(text, *prompts(text, classnames, deep.vectors[0], deep.words), deep.vectors[1:])


def plain_features(text: CausalText, texts: Sequence[str]) -> Tensor:
    """Features of whole sentences, (len(texts), embed_dim), each padded to 77 tokens."""
    none = text.token_embedding[:0]
    return tower(text, *prompts(text, [sentence.removesuffix(".") for sentence in texts], none, none))
