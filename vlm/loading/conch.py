"""CONCH (Lu et al., Nature Medicine 2024): a CoCa for pathology, from the files in which it is published.

Its weights (`pytorch_model.bin`) are gated on the Hugging Face hub, its tokeniser lies in the authors' program. Neither comes
with a configuration; sizes are read off the tensors.
"""

from pathlib import Path

import torch
from open_clip.transformer import AttentionalPooler, TextTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from toolbox.errors import UserError
from vlm.backbone import Backbone
from vlm.loading.hub_words import HubWords
from vlm.loading.weights import fill, read_weights
from vlm.towers.block import from_timm
from vlm.towers.build import as_read, text_tower
from vlm.towers.clip_text import ClipText
from vlm.towers.vision import ViT
from vlm.towers.whole import QueryPool

WEIGHTS, WORDS = "pytorch_model.bin", "conch_byte_level_bpe_uncased.json"
ADDRESS = (
    "https://huggingface.co/MahmoodLab/CONCH (a login that agreed to its terms) and conch/open_clip_custom/tokenizers of "
    "https://github.com/mahmoodlab/CONCH"
)
HEAD = 64  # of the image and the text tower
POOL_HEADS = 8


class ConchImage(nn.Module):
    """The published names: a ViT that ends in its norm, read by one query."""

    def __init__(self, width: int, layers: int, grid: int, patch: int, embed_dim: int) -> None:
        super().__init__()
        sizes = {"embed_dim": width, "depth": layers, "num_heads": width // HEAD, "patch_size": patch}
        self.trunk = VisionTransformer(img_size=grid * patch, num_classes=0, **sizes)
        self.attn_pool_contrast = AttentionalPooler(embed_dim, width, n_head=POOL_HEADS, n_queries=1)
        self.ln_contrast = nn.LayerNorm(embed_dim)
        self.proj_contrast = nn.Parameter(torch.empty(embed_dim, embed_dim))


def from_folder(name: str, folder: Path) -> Backbone:
    """The model whose two files lie in `folder`.

    Raises:
        UserError: a file is missing (it says where they come from), or holds other weights.
    """
    missing = [file for file in (WEIGHTS, WORDS) if not (folder / file).is_file()]
    if missing:
        raise UserError(f"backbone {name}: no {', '.join(missing)} in {folder}; fetch them from {ADDRESS}")
    state = read_weights(folder / WEIGHTS)
    image, text = (_part(state, prefix) for prefix in ("visual.", "text."))
    image = {key: value for key, value in image.items() if not key.startswith(("attn_pool_caption.", "ln_caption."))}
    try:
        visual, size = _image(name, image)
        tower = _text(name, text, folder / WORDS)
        return Backbone(name, visual, tower, state["logit_scale"], size)
    except (KeyError, ValueError) as error:
        raise UserError(f"backbone {name}: {folder / WEIGHTS} is no CONCH: it has no {error}") from error


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _image(name: str, state: dict[str, Tensor]) -> tuple[ViT, int]:
    width, _, _, patch = state["trunk.patch_embed.proj.weight"].shape
    grid = round((state["trunk.pos_embed"].shape[1] - 1) ** 0.5)
    layers = len({key.split(".")[2] for key in state if key.startswith("trunk.blocks.")})
    with torch.device("meta"):
        visual = ConchImage(width, layers, grid, patch, len(state["proj_contrast"]))
    visual = fill(visual, state, f"backbone {name}, image tower")
    trunk = visual.trunk
    cls, positions = nn.Parameter(trunk.cls_token[0, 0]), nn.Parameter(trunk.pos_embed[0])
    blocks = [from_timm(block) for block in trunk.blocks]
    pool = QueryPool(visual.attn_pool_contrast, visual.ln_contrast)
    tower = ViT(trunk.patch_embed.proj, cls, positions, None, blocks, trunk.norm, visual.proj_contrast, pool)
    return tower, grid * patch


def _text(name: str, state: dict[str, Tensor], words: Path) -> ClipText:
    vocabulary, width = state["token_embedding.weight"].shape
    places, embed_dim = len(state["positional_embedding"]), state["text_projection"].shape[1]
    layers = len({key.split(".")[2] for key in state if key.startswith("transformer.resblocks.")})
    sizes = {"context_length": places - 1, "vocab_size": vocabulary, "width": width, "heads": width // HEAD}
    with torch.device("meta"):
        text = TextTransformer(**sizes, layers=layers, output_dim=embed_dim, embed_cls=True)
    text = fill(text, state, f"backbone {name}, text tower")
    special = {"bos_token": "<start_of_text>", "eos_token": "<end_of_text>", "pad_token": "<pad>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(words), **special)
    return text_tower(text, as_read(text, HubWords(tokenizer, places)))
