"""Our towers over open_clip's and timm's modules, and which of those can be opened up so that prompts enter.

Weights are shared with the module they come from. `check_text` works on modules without memory, so that a model which
cannot be used is refused before its weights are fetched.
"""

import open_clip
import torch
from open_clip.timm_model import TimmModel
from open_clip.transformer import ResidualAttentionBlock, TextTransformer, VisionTransformer
from timm.models.vision_transformer import Block as TimmBlock
from timm.models.vision_transformer import VisionTransformer as TimmViT
from torch import nn

from toolbox.errors import UserError
from vlm.towers.block import LayerNorm, from_open_clip, from_timm
from vlm.towers.clip_text import ClipText
from vlm.towers.tokens import ClipVocabulary, CocaVocabulary, Vocabulary
from vlm.towers.vision import MeanPool, ViT
from vlm.towers.whole import QueryPool, WholeImage, WholePool

READ_AT = {"argmax": "end", "eos": "end", "first": "first", "last": "last"}
"""open_clip's words for how a text tower is read, and ours. CLIP's end token has the highest number of all."""


def image_tower(visual: nn.Module) -> ViT | WholeImage:
    """The image tower over an open_clip or timm module: opened up where it is a plain ViT, else as it is."""
    if not _is_plain_vit(visual):
        return WholeImage(visual)
    if isinstance(visual, TimmModel):
        return _timm_vit(visual)
    blocks = [from_open_clip(block) for block in visual.transformer.resblocks]
    ln_pre = visual.ln_pre if isinstance(visual.ln_pre, nn.LayerNorm) else None
    embedding = (visual.conv1, visual.class_embedding, visual.positional_embedding)
    if visual.attn_pool is not None:
        return ViT(*embedding, ln_pre, blocks, None, visual.proj, QueryPool(visual.attn_pool, visual.ln_post))
    if visual.pool_type == "tok":
        return ViT(*embedding, ln_pre, blocks, visual.ln_post, visual.proj)
    if visual.final_ln_after_pool:
        return ViT(*embedding, ln_pre, blocks, None, visual.proj, MeanPool(1, LayerNorm(visual.ln_post)))
    return ViT(*embedding, ln_pre, blocks, visual.ln_post, visual.proj, MeanPool(1, nn.Identity()))


def _timm_vit(visual: TimmModel) -> ViT:
    trunk = visual.trunk
    blocks = [from_timm(block) for block in trunk.blocks]
    cls = nn.Parameter(trunk.cls_token[0, 0]) if trunk.cls_token is not None else None
    embedding = (trunk.patch_embed.proj, cls, nn.Parameter(trunk.pos_embed[0]), _norm(trunk.norm_pre), blocks)
    if trunk.global_pool == "token":
        return ViT(*embedding, _norm(trunk.norm), _timm_end(visual))
    pool = (
        WholePool(trunk.attn_pool) if trunk.global_pool == "map" else MeanPool(trunk.num_prefix_tokens, nn.Identity())
    )
    if isinstance(trunk.fc_norm, nn.LayerNorm):
        pool = nn.Sequential(pool, LayerNorm(trunk.fc_norm))
    return ViT(*embedding, _norm(trunk.norm), _timm_end(visual), pool)


def _norm(norm: nn.Module) -> nn.LayerNorm | None:
    return norm if isinstance(norm, nn.LayerNorm) else None


def _timm_end(visual: TimmModel) -> nn.Parameter | nn.Module | None:
    """What follows the pooled token: open_clip's head or timm's, of which a tower has one."""
    head = visual.head if len(visual.head) else visual.trunk.head
    last = getattr(head, "proj", None)
    if isinstance(last, nn.Linear) and last.bias is None:
        return nn.Parameter(last.weight.T)
    return None if isinstance(head, nn.Identity) else head


def text_tower(text: nn.Module, vocabulary: Vocabulary) -> ClipText:
    """The text tower over an open_clip `TextTransformer`, or over a `CLIP` that holds one's parts.

    Raises:
        UserError: see `check_text`.
    """
    blocks = [from_open_clip(block) for block in text.transformer.resblocks]
    embedding = (text.token_embedding.weight, text.positional_embedding)
    projected = (blocks, text.ln_final, text.text_projection, vocabulary)
    if _reads_class_token(text):
        tokens = nn.Parameter(torch.cat([text.token_embedding.weight, text.cls_emb[None]]).detach())
        unseen = not text.correct_cls_mask
        return ClipText(tokens, text.positional_embedding, *projected, read_at="last", unseen=unseen)
    return ClipText(*embedding, *projected, causal=text.attn_mask is not None, read_at=READ_AT[pool_type(text)])


def clip_vocabulary(text: nn.Module) -> Vocabulary:
    """CLIP's own tokeniser for an open_clip text tower."""
    fill = 0 if sees_padding(text) else None
    return as_read(text, ClipVocabulary(open_clip.SimpleTokenizer(), text.context_length, fill))


def as_read(text: nn.Module, words: Vocabulary) -> Vocabulary:
    """A vocabulary with what an open_clip text tower is read at, where that is a token of its own (CoCa)."""
    if not _reads_class_token(text):
        return words
    return CocaVocabulary(words, len(text.positional_embedding), text.vocab_size, text.pad_id, text.correct_cls_mask)


def _reads_class_token(text: nn.Module) -> bool:
    return isinstance(text, TextTransformer) and text.cls_emb is not None


def pool_type(text: nn.Module) -> str:
    """How an open_clip text tower is read, in its words."""
    return getattr(text, "pool_type", getattr(text, "text_pool_type", "argmax"))


def sees_padding(text: nn.Module) -> bool:
    """Whether what stands behind the end token changes an open_clip text tower's features."""
    return text.attn_mask is None or pool_type(text) == "last"


def _is_plain_vit(visual: nn.Module) -> bool:
    """Whether it is a ViT of pre-norm blocks whose tokens are read at CLS or pooled: the kind that can be opened up."""
    if isinstance(visual, TimmModel):
        return _is_plain_timm(visual)
    return (
        isinstance(visual, VisionTransformer)
        and visual.pool_type in (("tok", "avg") if visual.attn_pool is None else ("tok",))
        and all(type(block) is ResidualAttentionBlock for block in visual.transformer.resblocks)
    )


def _is_plain_timm(visual: TimmModel) -> bool:
    trunk = visual.trunk
    if type(trunk) is not TimmViT or trunk.global_pool not in ("token", "map", "avg") or trunk.no_embed_class:
        return False
    blocks = all(
        type(b) is TimmBlock and isinstance(b.attn.q_norm, nn.Identity) and b.attn.qkv.bias is not None
        for b in trunk.blocks
    )
    norms = all(isinstance(n, nn.LayerNorm | nn.Identity) for n in (trunk.norm, trunk.fc_norm, trunk.norm_pre))
    patches = isinstance(getattr(trunk.patch_embed, "proj", None), nn.Conv2d)
    tokens = trunk.num_prefix_tokens == (trunk.cls_token is not None) and not trunk.pool_include_prefix
    one_end = not len(visual.head) or isinstance(trunk.head, nn.Identity)
    return blocks and norms and patches and tokens and one_end and trunk.pos_embed is not None


def check_text(name: str, text: nn.Module) -> None:
    """Raise UserError, saying what is different, unless the text tower is made of CLIP's blocks and read at one token."""
    if pool_type(text) not in READ_AT:
        fault = f"is not read at one token (pool type {pool_type(text)!r})"
    elif any(type(block) is not ResidualAttentionBlock for block in text.transformer.resblocks):
        fault = "has blocks with norms or scales of their own"
    else:
        return
    raise UserError(f"backbone {name}: its text tower {fault}; supported are towers of CLIP's blocks, and BERTs")
