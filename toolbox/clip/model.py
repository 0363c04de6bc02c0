"""OpenAI's CLIP as trainers of the CoOp family expect it: built from its weights, with prompts in the towers where asked.

Names of modules and parameters are OpenAI's, and those that MaPLe's copy of CLIP gave the prompts.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from toolbox.errors import UserError

from .deep import CoupledTransformer, CoupledVisionTransformer, PromptedBlock
from .design import OWN, Design
from .towers import LayerNorm, ModifiedResNet, QuickGELU, ResidualAttentionBlock, Transformer, VisionTransformer

__all__ = [
    "CLIP",
    "LayerNorm",
    "ModifiedResNet",
    "QuickGELU",
    "ResidualAttentionBlock",
    "Transformer",
    "VisionTransformer",
    "build_model",
    "convert_weights",
]

_HALVED = (nn.Conv1d, nn.Conv2d, nn.Linear, nn.MultiheadAttention)
_NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size", "attn_mask")  # archives hold them beside weights
_HEAD = 64  # width of an attention head in all of OpenAI's models


class CLIP(nn.Module):
    """Both towers, the size of each read off `weights`, a state dict in OpenAI's format; its values are not taken."""

    def __init__(self, weights: Mapping[str, Tensor], design: Design) -> None:
        super().__init__()
        self.context_length, width = weights["positional_embedding"].shape
        self.vocab_size = len(weights["token_embedding.weight"])
        self.visual = _image_tower(weights, design)
        mask = torch.full((self.context_length, self.context_length), float("-inf")).triu_(1)
        self.transformer = _transformer(design, design.language_depth, design.language_ctx, mask)(
            width, _blocks(weights, "transformer."), width // _HEAD
        )
        self.token_embedding = nn.Embedding(self.vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(self.context_length, width))
        self.ln_final = LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, weights["text_projection"].shape[1]))
        self.logit_scale = nn.Parameter(torch.zeros([]))
        self._draw()

    def _draw(self) -> None:
        """Draw as many numbers as OpenAI's class does, so that a trainer's own draws are the same behind either."""
        for parameter in (self.token_embedding.weight, self.positional_embedding, self.text_projection):
            nn.init.normal_(parameter)
        for block in self.transformer.resblocks:
            for parameter in (block.attn.in_proj_weight, block.attn.out_proj.weight, *block.mlp.parameters()):
                if parameter.ndim == 2:
                    nn.init.normal_(parameter)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the matrix products; layer norms and embeddings of an fp16 model stay in fp32."""
        return self.visual.conv1.weight.dtype

    def half(self) -> "CLIP":
        """To fp16 as OpenAI's models are: all but layer norms and embeddings."""
        convert_weights(self)
        return self

    def encode_image(self, image: Tensor) -> Tensor:
        """Images (batch, 3, size, size) -> features (batch, embed_dim), not normalised."""
        return self.visual(image.type(self.dtype))

    def encode_text(self, text: Tensor) -> Tensor:
        """Token ids (batch, context_length) -> features (batch, embed_dim) at the end token, not normalised."""
        x = self.token_embedding(text).type(self.dtype) + self.positional_embedding.type(self.dtype)
        x = self.transformer(x.permute(1, 0, 2)).permute(1, 0, 2)
        x = self.ln_final(x).type(self.dtype)
        end = text.argmax(dim=-1)  # the end token has the highest id
        return x[torch.arange(len(x), device=x.device), end] @ self.text_projection

    def forward(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled cosine similarities: (images, texts), and their transpose."""
        images = nn.functional.normalize(self.encode_image(image), dim=-1)
        texts = nn.functional.normalize(self.encode_text(text), dim=-1)
        logits = self.logit_scale.exp() * images @ texts.t()
        return logits, logits.t()


def convert_weights(model: nn.Module) -> None:
    """Turn convolutions, linear layers, attention and projections of `model` to fp16, in place."""
    for module in model.modules():
        halved = list(module.parameters(recurse=False)) if isinstance(module, _HALVED) else []
        halved += [getattr(module, name, None) for name in ("text_projection", "proj")]
        for parameter in halved:
            if isinstance(parameter, nn.Parameter):
                parameter.data = parameter.data.half()


def build_model(
    state_dict: Mapping[str, Any], design_details: Mapping[str, Any] | None = None, *, half: bool = True
) -> CLIP:
    """The model, in evaluation mode, whose sizes are read off the weights: a ViT or ResNet CLIP in OpenAI's format.

    Args:
        state_dict: the weights; those of prompts may be among them.
        design_details: prompts in the towers, as `toolbox.clip.design` reads them; their vectors are drawn.
        half: fp16, as OpenAI's function gives it; False keeps fp32 weights exact.

    Raises:
        UserError: other weights, or a design that is not built here.
    """
    design = Design.read(design_details)
    weights = {key: value for key, value in state_dict.items() if key.rpartition(".")[2] not in _NOT_WEIGHTS}
    try:
        model = CLIP(weights, design)
        if half:
            convert_weights(model)
        lacking, unknown = model.load_state_dict(weights, strict=False)
    except (KeyError, RuntimeError, AssertionError, IndexError, ValueError, ZeroDivisionError) as error:
        first_line = str(error).partition("\n")[0]
        raise UserError(f"these weights are not a CLIP in OpenAI's format ({first_line})") from error
    wrong = [f"lacking {key}" for key in lacking if "VPT" not in key] + [f"unknown {key}" for key in unknown]
    if wrong:
        raise UserError(f"these weights are not the CLIP that was asked for ({wrong[0]}; {len(wrong)} keys differ)")
    return model.eval()


def _image_tower(weights: Mapping[str, Tensor], design: Design) -> nn.Module:
    embed_dim = weights["text_projection"].shape[1]
    if "visual.proj" not in weights:
        if design.vision_depth or design.coupled:
            raise UserError(
                f"{design.trainer} prompts the image tower, and a ResNet has no tokens: choose a ViT backbone"
            )
        width = weights["visual.layer1.0.conv1.weight"].shape[0]
        side = round((len(weights["visual.attnpool.positional_embedding"]) - 1) ** 0.5)
        layers = tuple(_count(weights, f"visual.layer{i}.") for i in range(1, 5))
        return ModifiedResNet(layers, embed_dim, width * 32 // _HEAD, side * 32, width)
    width, _, _, patch = weights["visual.conv1.weight"].shape
    side = round((len(weights["visual.positional_embedding"]) - 1) ** 0.5)
    sizes = (side * patch, patch, width, _blocks(weights, "visual.transformer."), width // _HEAD, embed_dim)
    make = _transformer(design, design.vision_depth, design.vision_ctx, None)
    if design.coupled:
        return CoupledVisionTransformer(*sizes, transformer=make)
    return VisionTransformer(*sizes, n_ctx=design.vision_ctx if design.vision_depth else 0, transformer=make)


def _transformer(design: Design, depth: int, n_ctx: int, mask: Tensor | None) -> Callable[[int, int, int], nn.Module]:
    """Makes a tower's blocks from width, layers and heads; the first `depth` of them are prompted."""
    if design.coupled:
        return partial(CoupledTransformer, attn_mask=mask)
    if design.trainer not in OWN or depth < 2:
        return partial(Transformer, attn_mask=mask)

    def make(width: int, layers: int, heads: int) -> Transformer:
        def block(i: int) -> nn.Module:
            # The first block's prompts come in with its tokens.
            prompted = 0 < i < depth
            return PromptedBlock(width, heads, mask, n_ctx) if prompted else ResidualAttentionBlock(width, heads, mask)

        return Transformer(width, layers, heads, block=block)

    return make


def _blocks(weights: Mapping[str, Tensor], tower: str) -> int:
    return _count(weights, f"{tower}resblocks.")


def _count(weights: Mapping[str, Tensor], prefix: str) -> int:
    """How many different numbers follow `prefix` in the keys."""
    return len({key[len(prefix) :].partition(".")[0] for key in weights if key.startswith(prefix)})
