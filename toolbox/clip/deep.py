"""Layers with prompts: each layer's own (IVLP, VPT, PromptSRC), or handed in with each call (MaPLe, CoPrompt).

In a text tower prompts stand behind the start token, in an image tower behind the patches. A layer that has some puts
them in the place of what the layer before made of its own.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .towers import ResidualAttentionBlock, Transformer, VisionTransformer


def with_prompts(x: Tensor, prompts: Tensor, text: bool) -> Tensor:
    """Tokens x (length, batch, dim) with `prompts` (n, dim) in their place."""
    n, prompts = len(prompts), prompts.to(x.dtype)[:, None].expand(-1, x.shape[1], -1)
    if text:
        return torch.cat([x[:1], prompts, x[1 + n :]])
    return torch.cat([x[: len(x) - n], prompts])


class PromptedBlock(ResidualAttentionBlock):
    """A block with `n_ctx` prompts of its own, `VPT_shallow` (n_ctx, d_model), kept in fp32."""

    def __init__(self, d_model: int, n_head: int, attn_mask: Tensor | None, n_ctx: int) -> None:
        super().__init__(d_model, n_head, attn_mask)
        self.text_layer = attn_mask is not None
        self.VPT_shallow = nn.Parameter(nn.init.normal_(torch.empty(n_ctx, d_model), std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(with_prompts(x, self.VPT_shallow, self.text_layer))


class CoupledTransformer(Transformer):
    """Takes and gives a list: tokens (length, batch, width), prompts of the layers after the first, how many are used up."""

    def __init__(self, width: int, layers: int, heads: int, attn_mask: Tensor | None = None) -> None:
        super().__init__(width, layers, heads, attn_mask)
        self.text_layer = attn_mask is not None

    def forward(self, inputs: Sequence) -> list:
        x, deeper, used = inputs
        for i, block in enumerate(self.resblocks):
            if i and used < len(deeper):
                x = with_prompts(x, deeper[used], self.text_layer)
                used += 1
            x = block(x)
        return [x, deeper, used]


class CoupledVisionTransformer(VisionTransformer):
    """Images, the first layer's prompts (n, width), and those of the layers after it, to features."""

    def forward(self, x: Tensor, shared_ctx: Tensor, compound_deeper_prompts: Sequence[Tensor]) -> Tensor:
        x = self.embed(x, shared_ctx)
        return self.read(self.transformer([x, compound_deeper_prompts, 0])[0])
