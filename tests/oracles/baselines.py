"""Text sides of the baselines as their reference programs compute them: every prompt 77 tokens, CoCoOp image by image.

Slow and obviously right; the fast tower in `vlm.towers.text` must agree with it.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.oracles.cilmp import plain_block
from trainers.clip_lora import CLIPLoRAModel
from trainers.cocoop import CoCoOpModel
from trainers.coop import CoOpModel
from trainers.tcp import TCPModel
from trainers.vip import ViPModel
from trainers.xcoop import XCoOpModel
from vlm.prompts.deep import DeepText
from vlm.prompts.prompted import PromptedCLIP
from vlm.towers.clip_text import ClipText


def tower(
    text: ClipText,
    x: Tensor,
    eot: Sequence[int],
    replaced: Mapping[int, Tensor] | None = None,
    normalised: bool = True,
) -> Tensor:
    """Features (n_cls, embed_dim) of prompts x (n_cls, 77, width) read at `eot`.

    Args:
        replaced: layer -> (n, width) or (n_cls, n, width), which take the places behind [SOS] before that layer.
    """
    mask = torch.full((x.shape[1], x.shape[1]), float("-inf")).triu(1)
    x = x + text.positional_embedding
    for i, block in enumerate(text.blocks):
        if replaced and i in replaced:
            new = replaced[i].expand(len(x), -1, -1)
            x = torch.cat([x[:, :1], new, x[:, 1 + new.shape[1] :]], dim=1)
        x = plain_block(block, x, mask)
    raw = text.ln_final(x[range(len(x)), eot]) @ text.text_projection
    return F.normalize(raw, dim=-1) if normalised else raw


def prompts(text: ClipText, classnames: Sequence[str], ctx: Tensor, words: Tensor) -> tuple[Tensor, list[int]]:
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
    """(n_cls, embed_dim), or (batch, n_cls, embed_dim) for CoCoOp; context in front of the class name.

    Args:
        classnames: as the model was made with; for ViP each class's phrases, as many of every class, one class after the other.
    """
    text, none = model.clip.text, model.clip.text.token_embedding[:0]
    if isinstance(model, CoCoOpModel):
        biases = model.meta_net(image_features)
        return torch.stack([tower(text, *prompts(text, classnames, model.ctx + bias, none)) for bias in biases])
    if isinstance(model, TCPModel):
        own = {model.layout.layer: model.meta_net(model.fixed_text).view(len(classnames), *model.ctx.shape)}
        return tower(text, *prompts(text, classnames, model.ctx, none), own)
    if isinstance(model, ViPModel):
        raw = tower(text, *prompts(text, classnames, model.ctx, none), normalised=False).chunk(len(model.queries))
        mixed = zip(model.queries, raw, strict=True)
        return torch.stack([F.normalize(q + _attention(model, q, V) @ V, dim=-1) for q, V in mixed])
    if isinstance(model, XCoOpModel):
        copies = tower(text, *prompts(text, [*classnames] * (len(model.ctx) // len(classnames)), model.ctx, none))
        return copies.view(-1, len(classnames), copies.shape[1]).mean(0)
    if isinstance(model, CLIPLoRAModel):
        with model.text.put_in():
            return plain_features(text, [f"a photo of a {name}." for name in classnames])
    if isinstance(model, CoOpModel):  # BiomedCoOp and ProGrad too
        return tower(text, *prompts(text, classnames, model.ctx, none))
    deep: DeepText = model.text
    deeper = dict(enumerate(deep.vectors[1:], 1))
    return tower(text, *prompts(text, classnames, deep.vectors[0], deep.words), deeper)


def _attention(model: ViPModel, query: Tensor, V: Tensor) -> Tensor:
    """Of a class's query (E,) over its phrases V (m, E), (m,)."""
    keys = V @ model.k_proj.weight.T
    return (keys @ (model.q_proj.weight @ query) / len(query) ** 0.5).softmax(0)


def plain_features(text: ClipText, texts: Sequence[str]) -> Tensor:
    """Features of whole sentences, (len(texts), embed_dim), each padded to 77 tokens."""
    none = text.token_embedding[:0]
    return tower(text, *prompts(text, [sentence.removesuffix(".") for sentence in texts], none, none))
