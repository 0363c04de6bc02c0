"""Each family of backbones at a tiny size: built with its own real classes, saved in its real format, with its own features.

Weights are spread out, so that no layer is negligible: as they are initialised, text features hardly differ.
"""

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import BertConfig, BertModel, BertTokenizerFast, CLIPConfig, CLIPImageProcessor, CLIPModel

from vlm.loading import unimed

VISION = {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 16}
TEXT = {"context_length": 77, "width": 32, "heads": 4, "layers": 3, "vocab_size": 49408}
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]
WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] a photo of . disco ##cyte sickle cell target baso ##phil lung x - ray in an image"
)


@dataclass
class Family:
    """What was saved: the name to load it by, and what the family's own forward passes make of images and texts."""

    backbone: str
    image_size: int
    images: Callable[[Tensor], Tensor]
    texts: Callable[[Sequence[str]], Tensor]
    takes_visual_prompts: bool = True


def spread(model: nn.Module, scale: float = 0.15) -> nn.Module:
    """Random weights at which every layer matters; in evaluation mode."""
    generator = torch.Generator().manual_seed(3)
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        norm = p.dim() == 1 and name.endswith("weight")
        p.data = 1 + 0.2 * noise if norm else (p.data if name.startswith("logit") else scale * noise)
    return model.eval()


def openai_archive(folder: Path, vision: dict | None = None) -> Family:
    """A TorchScript archive in half precision, as OpenAI publishes them; `vision` for another image tower."""
    model = spread(
        open_clip.CLIP(32, vision or VISION | {"head_width": 64}, TEXT | {"heads": 1, "width": 64}, quick_gelu=True)
    )
    model = model.half().float()  # so that what is saved in half precision is what the family computes with
    size = (vision or VISION)["image_size"]
    with warnings.catch_warnings(action="ignore"):  # the program itself is never used
        program = torch.jit.trace(model, (torch.zeros(1, 3, size, size), torch.zeros(1, 77, dtype=torch.long)))
    program.half().save(str(folder / "tiny.pt"))
    model = model.float()
    return Family(str(folder / "tiny.pt"), size, model.encode_image, _clip_texts(model), vision is None)


def openai_resnet(folder: Path) -> Family:
    sizes = {"image_size": 64, "layers": (1, 1, 1, 1), "width": 16, "patch_size": None, "head_width": 64}
    return openai_archive(folder, sizes)


def open_clip_folder(folder: Path, **cfg) -> Family:
    """open_clip's folder: GELU, safetensors, its own normalisation; `cfg` for other models of the library."""
    cfg = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT, **cfg}
    custom = cfg.get("custom_text", False)
    kinds = {True: open_clip.CustomTextCLIP, False: open_clip.CLIP}
    model = spread(kinds[custom](**{k: v for k, v in cfg.items() if k != "custom_text"}))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    write_config(folder, cfg)
    return Family(str(folder), 32, model.encode_image, _clip_texts(model))


def open_clip_custom_text(folder: Path) -> Family:
    """A CustomTextCLIP with QuickGELU, LayerScale, no ln_pre, and a text tower read at its end token by number."""
    vision = VISION | {"ls_init_value": 0.5, "no_ln_pre": True}
    text = TEXT | {"ls_init_value": 0.5, "pool_type": "eos", "eos_id": 49407}
    return open_clip_folder(folder, vision_cfg=vision, text_cfg=text, custom_text=True, quick_gelu=True)


def biomedclip(folder: Path, suffix: str = ".bin") -> Family:
    """CustomTextCLIP with timm's ViT and a BERT, its tokeniser beside the weights."""
    _, tokenizer = write_bert(folder / "bert", 48)
    tokenizer.save_pretrained(folder)
    text = {
        "hf_model_name": str(folder / "bert"),
        "hf_tokenizer_name": str(folder / "bert"),
        "hf_proj_type": "mlp",
        "hf_pooler_type": "cls_last_hidden_state_pooler",
        "context_length": 48,
        "hf_model_pretrained": False,
    }
    vision = {"timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear", "image_size": 160}
    cfg = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}
    model = spread(open_clip.CustomTextCLIP(**cfg))
    write_config(folder, cfg)
    if suffix == ".bin":
        torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    else:
        save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")
    return Family(str(folder), 160, model.encode_image, lambda texts: model.encode_text(tokens(list(texts))))


def hugging_face_clip(folder: Path, activation: str = "quick_gelu") -> Family:
    """A transformers CLIPModel, as PubMedCLIP is published."""
    common = {"intermediate_size": 96, "hidden_act": activation}
    vision = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32, "patch_size": 8}
    text = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 49408}
    text |= {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 1}
    config = CLIPConfig(text_config=text | common, vision_config=vision | common, projection_dim=24)
    model = spread(CLIPModel(config))
    model.save_pretrained(folder)
    CLIPImageProcessor(image_mean=MEAN, image_std=STD, crop_size=32).save_pretrained(folder)

    def texts(texts: Sequence[str]) -> Tensor:
        read = model.get_text_features(input_ids=open_clip.tokenize(list(texts)))
        return getattr(read, "pooler_output", read)

    def images(x: Tensor) -> Tensor:
        read = model.get_image_features(pixel_values=x)
        return getattr(read, "pooler_output", read)

    return Family(str(folder), 32, images, texts)


def pmc_clip(folder: Path) -> Family:
    """Three files: a ResNet with 8 heads in its pool, a BERT with its pooler, a projection; the tokeniser beside them."""
    _, tokenizer = write_bert(folder, 96)
    bert = spread(BertModel(BertConfig.from_pretrained(folder)))
    visual = spread(open_clip.model.ModifiedResNet((1, 1, 1, 1), 24, heads=8, image_size=64, width=16))
    projection = 0.2 * torch.randn(32, 24, generator=torch.Generator().manual_seed(4))
    torch.save(visual.state_dict(), folder / "image_encoder(resnet50).pth")
    torch.save(bert.state_dict(), folder / "text_encoder.pth")
    torch.save(projection, folder / "text_projection_layer.pth")

    def texts(texts: Sequence[str]) -> Tensor:
        return bert(**tokenizer(list(texts), return_tensors="pt", padding=True)).pooler_output @ projection

    return Family(str(folder), 64, visual, texts, takes_visual_prompts=False)


def unimed_clip(folder: Path) -> Family:
    """A checkpoint named as published, of an open_clip ViT with QuickGELU beside a BERT called `text_encoder`.

    It changes `unimed.MODELS` and `unimed.TEXT` to tiny ones: give it copies.
    """
    _, tokenizer = write_bert(folder / "bert", 48)
    tokenizer.save_pretrained(folder)
    text = unimed.TEXT | {"hf_model_name": str(folder / "bert"), "context_length": 48, "hf_model_pretrained": False}
    cfg = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": text, "quick_gelu": True}
    model = spread(open_clip.CustomTextCLIP(**cfg))
    state = {key.replace("text.", "text_encoder.", 1): value for key, value in model.state_dict().items()}
    torch.save({"epoch": 1, "state_dict": {f"module.{k}": v for k, v in state.items()}}, folder / unimed.FILES[0])
    (folder / "tiny-unimed.json").write_text(json.dumps(cfg))
    open_clip.add_model_config(folder / "tiny-unimed.json")
    unimed.MODELS["ViT-B/16"] = ("tiny-unimed", *unimed.MODELS["ViT-B/16"][1:])
    unimed.TEXT |= text

    def texts(texts: Sequence[str]) -> Tensor:
        return model.encode_text(tokenizer(list(texts), return_tensors="pt", padding=True).input_ids)

    return Family(str(folder), 32, model.encode_image, texts)


FAMILIES = {
    f.__name__: f
    for f in (
        openai_archive,
        openai_resnet,
        open_clip_folder,
        open_clip_custom_text,
        biomedclip,
        hugging_face_clip,
        pmc_clip,
        unimed_clip,
    )
}


def write_bert(folder: Path, positions: int) -> tuple[BertConfig, BertTokenizerFast]:
    """Configuration and tokeniser of a tiny BERT in a folder, as on the Hugging Face hub."""
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS.split()) + "\n")
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(WORDS.split()),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=positions,
    )
    config.save_pretrained(folder)
    return config, tokenizer


def write_config(folder: Path, cfg: dict) -> None:
    value = {"model_cfg": cfg, "preprocess_cfg": {"mean": MEAN, "std": STD}}
    (folder / "open_clip_config.json").write_text(json.dumps(value))


def _clip_texts(model: nn.Module) -> Callable[[Sequence[str]], Tensor]:
    return lambda texts: model.encode_text(open_clip.tokenize(list(texts)))


@torch.no_grad()
def features(family: Family, images: Tensor, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The family's own normalised features."""
    return F.normalize(family.images(images), dim=-1), F.normalize(family.texts(texts), dim=-1)
