"""CILMP as its equations read, with nothing saved: 77 tokens a prompt, D-wide rows for every image, class and layer.

Slow and obviously right; the fast model in `vlm.prompts.conditional` must agree with it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from trainers.cilmp import CILMPModel
from vlm.towers.block import Block


def plain_block(block: Block, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """A pre-norm transformer block over all tokens x (batch, tokens, width)."""
    normed = block.ln_1(x)
    qkv = F.linear(normed, block.in_weight, block.in_bias)
    if block.beside_in is not None:
        qkv = qkv + block.beside_in(normed, slice(None))
    q, k, v = (part.unflatten(-1, (block.heads, -1)).transpose(1, 2) for part in qkv.chunk(3, dim=-1))
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
    x = x + block.out_proj(y)
    hidden = block.fc(block.ln_2(x))
    return x + block.proj(hidden * torch.sigmoid(1.702 * hidden))


def image_features(model: CILMPModel, images: Tensor) -> Tensor:
    """(batch, E), normalised."""
    vit, prompts = model.clip.image, model.visual.vectors
    n = prompts.shape[1]
    x = vit.conv1(images).flatten(2).transpose(1, 2)
    x = torch.cat([vit.class_embedding.expand(len(x), 1, -1), x], dim=1) + vit.positional_embedding
    x = vit.ln_pre(torch.cat([x, prompts[0].expand(len(x), -1, -1)], dim=1))
    for i, block in enumerate(vit.blocks):
        if 0 < i < len(prompts):
            x = torch.cat([x[:, :-n], prompts[i].expand(len(x), -1, -1)], dim=1)
        x = plain_block(block, x)
    return F.normalize(vit.ln_post(x[:, 0]) @ vit.proj, dim=-1)


def intervene(model: CILMPModel, i: int, rows: Tensor, f: Tensor) -> Tensor:
    """h' of one class's rows (L, D) for every image feature f (batch, E): (batch, L, D)."""
    text = model.text
    ends = []
    for part, h in ((text.prefix, rows[: text.rows.prefix.shape[1]]), (text.suffix, rows[len(rows) - _suffix(text) :])):
        u = (f @ part.U1[i].mT + part.a1[i]) @ part.U2[i].mT + part.a2[i]
        h = h.expand(len(f), -1, -1)
        s = torch.cat([h, u[:, None] * h], dim=-1) @ part.source[i].mT + part.source_bias[i]
        ends.append(h + (s - h @ part.rotate[i]) @ part.rotate[i].mT)
    middle = rows[text.rows.prefix.shape[1] : len(rows) - _suffix(text)].expand(len(f), -1, -1)
    return torch.cat([ends[0], middle, ends[1]], dim=1)


def _suffix(text) -> int:
    return text.rows.suffix.shape[1]


def logits(model: CILMPModel, rows: list[Tensor], pieces: list[list[int]], images: Tensor) -> Tensor:
    """(batch, n_cls), without dropout.

    Args:
        rows: (L_c, D) a class, as the model was made with.
        pieces: word pieces of "{class}." and the end token, a class.
    """
    tower, text = model.clip.text, model.text
    f = image_features(model, images)
    n_ctx, context = text.ctx.shape[1], len(tower.positional_embedding)
    mask = torch.full((context, context), float("-inf")).triu(1)
    features = []
    for h, name in zip(rows, pieces, strict=True):
        length = len(h)

        def projected(i: int, h=h) -> Tensor:
            return intervene(model, i, h, f) @ text.projection.A[i].mT @ text.projection.B[i].mT

        start = tower.embed([tower.vocabulary.start]).expand(len(f), -1, -1)
        tail = tower.embed(name + [0] * (context - 1 - n_ctx - length - len(name))).expand(len(f), -1, -1)
        x = torch.cat([start, text.ctx[0].expand(len(f), -1, -1), projected(0), tail], dim=1)
        x = x + tower.positional_embedding
        for i, block in enumerate(tower.blocks):
            if 0 < i < text.depth:
                prompts = [text.ctx[i].expand(len(f), -1, -1), projected(i)]
                x = torch.cat([x[:, :1], *prompts, x[:, 1 + n_ctx + length :]], dim=1)
            x = plain_block(block, x, mask)
        eot = x[:, n_ctx + length + len(name)]
        features.append(F.normalize(tower.ln_final(eot) @ tower.text_projection, dim=-1))
    return model.clip.logit_scale.exp() * torch.einsum("be,cbe->bc", f, torch.stack(features))
