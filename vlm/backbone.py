"""A loaded, frozen CLIP: an image tower, a text tower, the temperature, and the preprocessing that belongs to them."""

import hashlib
from collections.abc import Sequence
from functools import cached_property

import open_clip
import torch
from torch import Tensor, nn

from toolbox.errors import UserError
from vlm.block import LayerNorm, from_open_clip
from vlm.text import CausalText
from vlm.tokens import ClipVocabulary
from vlm.vision import ResNet, ViT

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class Backbone(nn.Module):
    """The frozen model that every method works with.

    Attributes:
        name: as the user gave it.
        image: image tower; `image(images, prompts)` gives normalised features (batch, embed_dim).
        text: text tower; see `vlm.text`.
        logit_scale: the log of the temperature's inverse, a frozen scalar.
        image_size: pixels a side.
        mean, std: normalisation of RGB values in 0..1.
    """

    def __init__(
        self,
        name: str,
        image: nn.Module,
        text: nn.Module,
        logit_scale: Tensor,
        image_size: int,
        mean: Sequence[float] = CLIP_MEAN,
        std: Sequence[float] = CLIP_STD,
    ) -> None:
        super().__init__()
        self.name = name
        self.image, self.text = image, text
        self.logit_scale = nn.Parameter(logit_scale.detach().clone().float().reshape(()))
        self.image_size = image_size
        self.mean, self.std = tuple(mean), tuple(std)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode: the backbone is frozen, batch statistics included."""
        return super().train(False)

    @property
    def embed_dim(self) -> int:
        return self.text.text_projection.shape[-1]

    @property
    def device(self) -> torch.device:
        return self.logit_scale.device

    def cast(self, dtype: torch.dtype) -> "Backbone":
        """Weights in `dtype`, in place; LayerNorms and the temperature stay in float32."""
        kept = {id(p) for m in self.modules() if isinstance(m, LayerNorm | nn.LayerNorm) for p in m.parameters()}
        kept.add(id(self.logit_scale))
        for p in self.parameters():
            if id(p) not in kept:
                p.data = p.data.to(dtype)
        return self

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 over all weights as loaded, by name: the identity of the backbone in results.

        Read it before `cast`; it is kept from then on.
        """
        digest = hashlib.sha256()
        for key, value in sorted(self.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()


def openai_model(state: dict[str, Tensor]) -> nn.Module:
    """An open_clip model with the weights of an OpenAI-format state dict, in float32.

    open_clip's own builder rounds to half precision on the way; sizes are read off the tensors here instead.
    """
    state = {k: v.float() for k, v in state.items() if k not in ("input_resolution", "context_length", "vocab_size")}
    if "visual.proj" in state:
        conv = state["visual.conv1.weight"]
        grid = round((len(state["visual.positional_embedding"]) - 1) ** 0.5)
        layers: int | tuple = len({k.split(".")[3] for k in state if k.startswith("visual.transformer.resblocks.")})
        patch, size, width = conv.shape[-1], conv.shape[-1] * grid, conv.shape[0]
    else:
        stages = [{k.split(".")[2] for k in state if k.startswith(f"visual.layer{i}.")} for i in (1, 2, 3, 4)]
        layers = tuple(len(stage) for stage in stages)
        grid = round((len(state["visual.attnpool.positional_embedding"]) - 1) ** 0.5)
        patch, size, width = None, grid * 32, state["visual.layer1.0.conv1.weight"].shape[0]
    text_width = len(state["ln_final.weight"])
    model = open_clip.CLIP(
        embed_dim=state["text_projection"].shape[1],
        vision_cfg=open_clip.CLIPVisionCfg(layers=layers, width=width, patch_size=patch, image_size=size),
        text_cfg=open_clip.CLIPTextCfg(
            context_length=len(state["positional_embedding"]),
            vocab_size=len(state["token_embedding.weight"]),
            width=text_width,
            heads=text_width // 64,
            layers=len({k.split(".")[2] for k in state if k.startswith("transformer.resblocks.")}),
        ),
        quick_gelu=True,
    )
    model.load_state_dict(state)
    return model.eval()


def from_open_clip_model(name: str, model: nn.Module, tokenizer=None, mean=None, std=None) -> Backbone:
    """A backbone over an open_clip `CLIP` (causal text tower; ViT or ResNet image tower).

    Raises:
        UserError: the model pools or attends in a way prompts cannot enter; what is different is said.
    """
    return Backbone(
        name,
        _image_tower(name, model.visual),
        _text_tower(name, model, tokenizer or open_clip.SimpleTokenizer()),
        model.logit_scale,
        _side(model.visual.image_size),
        mean or CLIP_MEAN,
        std or CLIP_STD,
    )


def _image_tower(name: str, visual: nn.Module) -> nn.Module:
    if isinstance(visual, open_clip.model.ModifiedResNet):
        return ResNet(visual)
    if not isinstance(visual, open_clip.transformer.VisionTransformer):
        raise UserError(f"backbone {name}: its image tower is a {type(visual).__name__}, which is not supported")
    if visual.attn_pool is not None or visual.pool_type != "tok":
        raise UserError(f"backbone {name}: its image tower does not read a CLS token (pool type {visual.pool_type!r})")
    blocks = [from_open_clip(block) for block in visual.transformer.resblocks]
    ln_pre = visual.ln_pre if isinstance(visual.ln_pre, nn.LayerNorm) else None
    embedding = (visual.conv1, visual.class_embedding, visual.positional_embedding)
    return ViT(*embedding, ln_pre, blocks, visual.ln_post, visual.proj)


def _text_tower(name: str, model: nn.Module, tokenizer) -> CausalText:
    text = getattr(model, "text", model)
    pool = getattr(text, "pool_type", getattr(text, "text_pool_type", "argmax"))
    if pool != "argmax" or text.attn_mask is None or not isinstance(text.text_projection, nn.Parameter):
        raise UserError(
            f"backbone {name}: its text tower is not a causal one read at the end token (pool type {pool!r})"
        )
    blocks = [from_open_clip(block) for block in text.transformer.resblocks]
    vocabulary = ClipVocabulary(tokenizer, text.context_length)
    embedding = (text.token_embedding.weight, text.positional_embedding)
    return CausalText(*embedding, blocks, text.ln_final, text.text_projection, vocabulary)


def _side(size: int | tuple[int, int]) -> int:
    return size if isinstance(size, int) else size[0]
