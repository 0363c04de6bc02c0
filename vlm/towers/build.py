"""Our towers over open_clip's and timm's modules, and which of those can be opened up so that prompts enter.

Weights are shared with the module they come from. `check_*` work on modules without memory, so that a model which cannot
be used is refused before its weights are fetched.
"""

import open_clip
from open_clip.timm_model import TimmModel
from open_clip.transformer import ResidualAttentionBlock, TextTransformer, VisionTransformer
from timm.models.vision_transformer import Block as TimmBlock
from timm.models.vision_transformer import VisionTransformer as TimmViT
from torch import nn

from toolbox.errors import UserError
from vlm.towers.block import from_open_clip, from_timm
from vlm.towers.text import CausalText
from vlm.towers.tokens import ClipVocabulary
from vlm.towers.vision import ResNet, ViT


def image_tower(name: str, visual: nn.Module) -> ViT | ResNet:
    """The image tower over an open_clip or timm module.

    Raises:
        UserError: see `check_image`.
    """
    check_image(name, visual)
    if isinstance(visual, open_clip.model.ModifiedResNet):
        return ResNet(visual)
    if isinstance(visual, TimmModel):
        trunk = visual.trunk
        blocks = [from_timm(block) for block in trunk.blocks]
        ln_pre = trunk.norm_pre if isinstance(trunk.norm_pre, nn.LayerNorm) else None
        cls, positions = nn.Parameter(trunk.cls_token[0, 0]), nn.Parameter(trunk.pos_embed[0])
        proj = nn.Parameter(visual.head.proj.weight.T)
        return ViT(trunk.patch_embed.proj, cls, positions, ln_pre, blocks, trunk.norm, proj)
    blocks = [from_open_clip(block) for block in visual.transformer.resblocks]
    ln_pre = visual.ln_pre if isinstance(visual.ln_pre, nn.LayerNorm) else None
    embedding = (visual.conv1, visual.class_embedding, visual.positional_embedding)
    return ViT(*embedding, ln_pre, blocks, visual.ln_post, visual.proj)


def text_tower(name: str, text: nn.Module, tokenizer) -> CausalText:
    """The text tower over an open_clip `CLIP` or `TextTransformer`.

    Raises:
        UserError: see `check_text`.
    """
    check_text(name, text)
    if not isinstance(tokenizer, open_clip.SimpleTokenizer):
        raise UserError(
            f"backbone {name}: its causal text tower has a {type(tokenizer).__name__}; only CLIP's is supported"
        )
    blocks = [from_open_clip(block) for block in text.transformer.resblocks]
    vocabulary = ClipVocabulary(tokenizer, text.context_length)
    embedding = (text.token_embedding.weight, text.positional_embedding)
    return CausalText(*embedding, blocks, text.ln_final, text.text_projection, vocabulary)


def check_image(name: str, visual: nn.Module) -> None:
    """Raise UserError, saying what is different, unless the image tower is a plain ViT read at CLS or CLIP's ResNet."""
    if isinstance(visual, open_clip.model.ModifiedResNet):
        return
    if isinstance(visual, TimmModel):
        fault = _timm_fault(visual)
    elif isinstance(visual, VisionTransformer):
        fault = _open_clip_fault(visual)
    else:
        fault = f"is a {type(visual).__name__}"
    if fault:
        raise UserError(
            f"backbone {name}: its image tower {fault}; supported are plain ViTs read at CLS and CLIP's ResNets"
        )


def _open_clip_fault(visual: VisionTransformer) -> str:
    if visual.attn_pool is not None:
        return "pools by attention"
    if visual.pool_type != "tok":
        return f"does not read a CLS token (pool type {visual.pool_type!r})"
    if any(type(block) is not ResidualAttentionBlock for block in visual.transformer.resblocks):
        return "has blocks with norms or scales of their own"
    return ""


def _timm_fault(visual: TimmModel) -> str:
    trunk = visual.trunk
    if type(trunk) is not TimmViT:
        return f"is timm's {type(trunk).__name__}"
    if trunk.global_pool != "token" or trunk.num_prefix_tokens != 1 or trunk.no_embed_class:
        return f"does not read a plain CLS token (timm pool {trunk.global_pool!r})"
    plain = all(
        type(b) is TimmBlock and isinstance(b.attn.q_norm, nn.Identity) and b.attn.qkv.bias is not None
        for b in trunk.blocks
    )
    norms = isinstance(trunk.norm, nn.LayerNorm) and isinstance(trunk.fc_norm, nn.Identity)
    if not plain or not norms or not isinstance(trunk.head, nn.Identity):
        return "has timm blocks, norms or a head of another kind"
    proj = getattr(visual.head, "proj", None)
    if proj is None or proj.bias is not None:
        return "does not end in one linear projection without bias"
    return ""


def check_text(name: str, text: nn.Module) -> None:
    """Raise UserError, saying what is different, unless the text tower is causal, read at the end token, then projected."""
    transformer = text.transformer
    pool = getattr(text, "pool_type", getattr(text, "text_pool_type", "argmax"))
    if isinstance(text, TextTransformer) and text.cls_emb is not None:
        fault = "reads a class token behind the text (CoCa)"
    elif text.attn_mask is None:
        fault = f"is not causal and is read at its {pool} position (SigLIP reads the last of the padding)"
    elif pool not in ("argmax", "eos"):
        fault = f"is not read at the end token (pool type {pool!r})"
    elif not isinstance(text.text_projection, nn.Parameter):
        fault = "does not end in one linear projection without bias"
    elif any(type(block) is not ResidualAttentionBlock for block in transformer.resblocks):
        fault = "has blocks with norms or scales of their own"
    else:
        return
    raise UserError(
        f"backbone {name}: its text tower {fault}; supported are CLIP's causal tower and BERT read at [CLS]"
    )
