"""The parts of OpenAI's CLIP, under their names: tokens are (length, batch, dim), as trainers of the CoOp family pass them.

Modules are made in the order in which OpenAI's are, so that what a trainer draws after a model was built is the same.
"""

from collections import OrderedDict
from collections.abc import Callable

import torch
from open_clip.modified_resnet import ModifiedResNet as _ModifiedResNet
from torch import Tensor, nn


class LayerNorm(nn.LayerNorm):
    """Computes in the precision of its own weights, fp32, whatever comes in."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.type(self.weight.dtype)).type(x.dtype)


class QuickGELU(nn.Module):
    """x times the sigmoid of 1.702 x, with which OpenAI's models were trained."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class ResidualAttentionBlock(nn.Module):
    """A pre-norm block: (length, batch, d_model) to the same. `attn_mask` (longest, longest) is added to the scores."""

    def __init__(self, d_model: int, n_head: int, attn_mask: Tensor | None = None) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(d_model, n_head)
        self.ln_1 = LayerNorm(d_model)
        layers = {
            "c_fc": nn.Linear(d_model, d_model * 4),
            "gelu": QuickGELU(),
            "c_proj": nn.Linear(d_model * 4, d_model),
        }
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.ln_2 = LayerNorm(d_model)
        self.register_buffer("attn_mask", attn_mask, persistent=False)

    def attention(self, x: Tensor) -> Tensor:
        mask = None if self.attn_mask is None else self.attn_mask[: len(x), : len(x)].to(x.dtype)
        return self.attn(x, x, x, need_weights=False, attn_mask=mask)[0]

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """`resblocks` in order. `block(i)` makes block i where it is not the plain one."""

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        attn_mask: Tensor | None = None,
        block: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.width, self.layers = width, layers
        make = block or (lambda _: ResidualAttentionBlock(width, heads, attn_mask))
        self.resblocks = nn.Sequential(*[make(i) for i in range(layers)])

    def forward(self, x: Tensor) -> Tensor:
        return self.resblocks(x)


class VisionTransformer(nn.Module):
    """Images (batch, 3, size, size) to features (batch, output_dim), not normalised.

    Args:
        n_ctx: learned tokens `VPT` (n_ctx, width) that stand after the patches from the input on; they pass ln_pre.
        transformer: makes the blocks from width, layers and heads.
    """

    def __init__(
        self,
        input_resolution: int,
        patch_size: int,
        width: int,
        layers: int,
        heads: int,
        output_dim: int,
        n_ctx: int = 0,
        transformer: Callable[[int, int, int], nn.Module] = Transformer,
    ) -> None:
        super().__init__()
        self.input_resolution, self.output_dim = input_resolution, output_dim
        self.conv1 = nn.Conv2d(3, width, kernel_size=patch_size, stride=patch_size, bias=False)
        if n_ctx:
            self.VPT = nn.Parameter(nn.init.normal_(torch.empty(n_ctx, width), std=0.02))
        scale = width**-0.5
        self.class_embedding = nn.Parameter(scale * torch.randn(width))
        self.positional_embedding = nn.Parameter(scale * torch.randn((input_resolution // patch_size) ** 2 + 1, width))
        self.ln_pre = LayerNorm(width)
        self.transformer = transformer(width, layers, heads)
        self.ln_post = LayerNorm(width)
        self.proj = nn.Parameter(scale * torch.randn(width, output_dim))

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x, getattr(self, "VPT", None))
        return self.read(self.transformer(x))

    def embed(self, images: Tensor, prompts: Tensor | None) -> Tensor:
        """Tokens of the first block (1 + patches + prompts, batch, width): CLS, patches, `prompts` (n_ctx, width)."""
        x = self.conv1(images).flatten(2).permute(2, 0, 1)
        cls = self.class_embedding.to(x.dtype).expand(1, x.shape[1], -1)
        x = torch.cat([cls, x]) + self.positional_embedding.to(x.dtype)[:, None]
        if prompts is not None:
            x = torch.cat([x, prompts.to(x.dtype)[:, None].expand(-1, x.shape[1], -1)])
        return self.ln_pre(x)

    def read(self, x: Tensor) -> Tensor:
        """Features from CLS behind the last block."""
        x = self.ln_post(x[0])
        return x if self.proj is None else x @ self.proj


class ModifiedResNet(_ModifiedResNet):
    """CLIP's ResNet, which is open_clip's, with OpenAI's name for the size of its images."""

    def __init__(
        self, layers: tuple[int, ...], output_dim: int, heads: int, input_resolution: int = 224, width: int = 64
    ) -> None:
        super().__init__(layers, output_dim, heads, image_size=input_resolution, width=width)
        self.input_resolution = input_resolution
