"""open_clip's families beyond CLIP at a tiny size: SigLIP, CLIPA, MobileCLIP, EVA-CLIP, ConvNeXt, MetaCLIP 2."""

from pathlib import Path

import open_clip
import timm
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import PreTrainedTokenizerFast, T5Tokenizer

from tests.vlm.loading.families import TEXT, VISION, WORDS, Family, spread, write_bert, write_config

PLAIN = WORDS.replace("##", "").replace(".", "").split()[5:]


@timm.models.register_model
def tiny_siglip_vit(pretrained: bool = False, pretrained_cfg=None, **kwargs) -> VisionTransformer:
    """SigLIP's image tower as timm builds it, with few and narrow layers for small images."""
    kwargs = {key: value for key, value in kwargs.items() if key in ("num_classes", "global_pool")}
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 64, "depth": 3, "num_heads": 4}
    return VisionTransformer(class_token=False, **sizes, **{"global_pool": "map", "num_classes": 0, **kwargs})


@timm.models.register_model
def tiny_clip_vit(pretrained: bool = False, pretrained_cfg=None, **kwargs) -> VisionTransformer:
    """MobileCLIP2-L's image tower: timm's ViT with CLIP's norm before it, ending in timm's own head, with a bias."""
    kwargs = {key: value for key, value in kwargs.items() if key in ("num_classes", "global_pool")}
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 64, "depth": 3, "num_heads": 4}
    return VisionTransformer(pre_norm=True, **sizes, **kwargs)


def open_clip_family(folder: Path, vision: dict, text: dict, takes_visual_prompts: bool = True, **cfg) -> Family:
    """A model that open_clip builds of this configuration, saved as it publishes them."""
    cfg = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text, "custom_text": True, **cfg}
    built = {k: v for k, v in cfg.items() if k != "custom_text"}
    model = spread(open_clip.CustomTextCLIP(**built))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after training, not at its start
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    write_config(folder, cfg)
    tokens = open_clip.tokenize
    if "hf_tokenizer_name" in text:
        options = text.get("tokenizer_kwargs", {})
        tokens = open_clip.tokenizer.HFTokenizer(text["hf_tokenizer_name"], text["context_length"], **options)
    size = vision["image_size"]
    return Family(
        str(folder), size, model.encode_image, lambda t: model.encode_text(tokens(list(t))), takes_visual_prompts
    )


def write_sentence_pieces(folder: Path) -> Path:
    """SigLIP's kind of tokeniser: SentencePiece, no start token, the end token pads too."""
    pieces = [(f"▁{word}", -2.0) for word in PLAIN] + [(letter, -9.0) for letter in "▁abcdefghijklmnopqrstuvwxyz-"]
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *dict(pieces).items()]
    T5Tokenizer(vocab=vocab, extra_ids=0, pad_token="</s>").save_pretrained(folder / "pieces")
    return folder / "pieces"


def siglip(folder: Path) -> Family:
    """Image tokens pooled by attention; text without start token, read at the last of its padded positions; a bias."""
    vision = {"timm_model_name": "tiny_siglip_vit", "timm_pool": "map", "timm_proj": "none", "image_size": 32}
    text = {"context_length": 40, "width": 64, "heads": 4, "layers": 3, "vocab_size": 60, "mlp_ratio": 2}
    text |= {"no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6}}
    text |= {"act_kwargs": {"approximate": "tanh"}, "tokenizer_kwargs": {"clean": "canonicalize"}}
    text |= {"hf_tokenizer_name": str(write_sentence_pieces(folder))}
    return open_clip_family(folder, vision, text, embed_dim=64, init_logit_bias=-10)


def clipa(folder: Path) -> Family:
    """The mean of patches; BERT's word pieces with the end token taken out, read at the last padded position."""
    write_bert(folder / "bert", 32)
    vision = VISION | {"no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True}
    text = TEXT | {"context_length": 32, "vocab_size": 32, "no_causal_mask": True, "pool_type": "last"}
    text |= {"hf_tokenizer_name": str(folder / "bert"), "tokenizer_kwargs": {"strip_sep_token": True}}
    return open_clip_family(folder, vision, text)


def mobileclip(folder: Path) -> Family:
    """FastViT; a text tower that is not causal and sees its padding, read at the end token."""
    vision = {"timm_model_name": "fastvit_t8", "timm_pool": "avg", "timm_proj": None, "image_size": 64}
    return open_clip_family(folder, vision, TEXT | {"no_causal_mask": True}, takes_visual_prompts=False)


def mobileclip2_l(folder: Path) -> Family:
    """timm's ViT that ends in a linear layer with a bias."""
    vision = {"timm_model_name": "tiny_clip_vit", "timm_pool": "token", "timm_proj": None, "image_size": 32}
    return open_clip_family(folder, vision, TEXT | {"no_causal_mask": True})


def eva_clip(folder: Path) -> Family:
    """EVA02: rotary positions and gated MLPs."""
    vision = {"timm_model_name": "eva02_tiny_patch14_224", "timm_pool": "token", "timm_proj": None, "image_size": 224}
    return open_clip_family(folder, vision, TEXT, takes_visual_prompts=False)


def convnext(folder: Path) -> Family:
    vision = {"timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "mlp", "image_size": 64}
    return open_clip_family(folder, vision, TEXT, takes_visual_prompts=False)


def coca(folder: Path) -> Family:
    """Queries read the image; the text is read at a class token behind its padding; a decoder lies beside."""
    vision = VISION | {
        "attentional_pool": True,
        "attn_pooler_heads": 4,
        "attn_pooler_queries": 6,
        "output_tokens": True,
    }
    text = TEXT | {"context_length": 40, "embed_cls": True, "output_tokens": True}
    decoder = {"context_length": 40, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 1}
    cfg = {"embed_dim": 32, "vision_cfg": vision, "text_cfg": text, "multimodal_cfg": decoder}
    model = spread(open_clip.CoCa(**cfg))
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    write_config(folder, cfg)
    tokens = open_clip.SimpleTokenizer(context_length=40)
    return Family(str(folder), 32, model.encode_image, lambda texts: model.encode_text(tokens(list(texts))))


def metaclip2(folder: Path) -> Family:
    """CLIP with a multilingual tokeniser, <s> and </s> around its pieces; read at the end token by its number."""
    vocab = {word: i for i, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *PLAIN])}
    inner = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    inner.normalizer, inner.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    named = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=inner, **named).save_pretrained(folder / "xlm")
    text = TEXT | {"vocab_size": len(vocab), "pool_type": "eos", "eos_id": 2, "hf_tokenizer_name": str(folder / "xlm")}
    return open_clip_family(folder, VISION, text)


OPEN_CLIP_FAMILIES = {
    f.__name__: f for f in (siglip, clipa, mobileclip, mobileclip2_l, eva_clip, convnext, coca, metaclip2)
}
