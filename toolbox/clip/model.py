"""OpenAI's CLIP as trainers of the CoOp family expect it, on the layers of open_clip.

open_clip's blocks take (batch, length, dim) and are handed the causal mask; OpenAI's text transformer takes
(length, batch, dim) and knows its mask. Trainers call it directly with their own embeddings, so it is kept that way here.
Names of parameters are the same in both.
"""

from typing import Any

import open_clip
import torch
from open_clip.model import build_model_from_openai_state_dict
from torch import Tensor, nn

from toolbox.errors import UserError

_HALVED = (nn.Conv1d, nn.Conv2d, nn.Linear, nn.MultiheadAttention)
_NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size", "attn_mask")  # archives hold them beside weights


class TextTransformer(nn.Module):
    """(length, batch, dim) -> (length, batch, dim) with a causal mask; `resblocks` are open_clip's."""

    def __init__(self, transformer: nn.Module, mask: Tensor) -> None:
        super().__init__()
        self.width, self.layers = transformer.width, transformer.layers
        self.resblocks = transformer.resblocks
        self.register_buffer("attn_mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[0]
        mask = self.attn_mask[:length, :length]
        x = x.permute(1, 0, 2)
        for block in self.resblocks:
            x = block(x, attn_mask=mask)
        return x.permute(1, 0, 2)


class CLIP(nn.Module):
    """OpenAI's interface around an open_clip model that was built from OpenAI's weights."""

    def __init__(self, model: open_clip.CLIP) -> None:
        super().__init__()
        self.context_length, self.vocab_size = model.context_length, model.vocab_size
        self.visual = model.visual
        size = model.visual.image_size
        self.visual.input_resolution = size if isinstance(size, int) else size[0]
        self.transformer = TextTransformer(model.transformer, model.attn_mask)
        self.token_embedding = model.token_embedding
        self.positional_embedding = model.positional_embedding
        self.ln_final = model.ln_final
        self.text_projection = model.text_projection
        self.logit_scale = model.logit_scale

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


def build_model(state_dict: dict[str, Any], half: bool = True) -> CLIP:
    """The model, in evaluation mode, whose sizes are read off the weights: a ViT or ResNet CLIP in OpenAI's format.

    It is in fp16, as OpenAI's function gives it; `half=False` keeps fp32 weights exact. UserError for other weights.
    """
    weights = {key: value for key, value in state_dict.items() if key.rpartition(".")[2] not in _NOT_WEIGHTS}
    try:
        model = build_model_from_openai_state_dict(dict(weights), cast_dtype=torch.float16)
    except (KeyError, RuntimeError, AssertionError, IndexError, ZeroDivisionError) as error:
        first_line = str(error).partition("\n")[0]
        raise UserError(f"these weights are not a CLIP in OpenAI's format ({first_line})") from error
    if not half:
        model.float().load_state_dict(weights)
    return CLIP(model).eval()
