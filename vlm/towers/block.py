"""The frozen pre-norm transformer block that CLIP's ViT and text tower are made of, opened up so that prompts can enter.

A tower decides which positions ask (queries) and which only answer (keys and values); the block offers the parts:

    q, kv   = block.q_kv(x)         LayerNorm and the projections to queries and to keys and values
    x       = block.finish(x, y)    output projection of the attended y, residual, MLP, residual
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class QuickGELU(torch.autograd.Function):
    """x * sigmoid(1.702 x) = silu(1.702 x) / 1.702, keeping one tensor for the backward pass and one kernel in it."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        scaled = 1.702 * x
        ctx.save_for_backward(scaled)
        return F.silu(scaled).mul_(1 / 1.702)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (scaled,) = ctx.saved_tensors
        return torch.ops.aten.silu_backward(grad, scaled)


def quick_gelu(x: Tensor) -> Tensor:
    """The same, in plain operations where no gradient is wanted: exporters cannot read a function with its own backward."""
    return QuickGELU.apply(x) if torch.is_grad_enabled() else F.silu(1.702 * x).mul_(1 / 1.702)


def unit(x: Tensor) -> Tensor:
    """Features scaled to length 1, in float32 at least: what follows (cosine, loss) is cheap and wants the digits."""
    return F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=-1)


def projected(x: Tensor, projection: nn.Parameter | nn.Module | None) -> Tensor:
    """x (..., width) by a matrix (width, embed_dim), through a module that ends a tower, or as it is."""
    if projection is None:
        return x
    return projection(x) if isinstance(projection, nn.Module) else x @ projection


class LayerNorm(nn.Module):
    """LayerNorm computed in float32 whatever the precision of its input, as CLIP does.

    A single scale and shift vector of shape (width,); returns the input's dtype.
    """

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        wide = torch.promote_types(x.dtype, torch.float32)
        with torch.autocast(x.device.type, enabled=False):
            y = F.layer_norm(x.to(wide), self.weight.shape, self.weight.to(wide), self.bias.to(wide), self.eps)
        return y.to(x.dtype)


class Attending(nn.Module):
    """The projections that a layer attends by, and the places where trained modules may stand beside them.

    Attributes:
        in_weight, in_bias: of queries, keys and values in this order, (3 * width, width) and (3 * width,).
        beside_in: of the projections' input (..., width) and the slice of the 3 * width outputs that is wanted, what is added
            to them; or None.
        beside_out: of the attended (..., width), what is added to its output projection; or None.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_module("beside_in", None)
        self.register_module("beside_out", None)

    @property
    def width(self) -> int:
        return self.in_weight.shape[1]

    def before(self, x: Tensor) -> Tensor:
        """What the projections read of tokens x (..., width)."""
        return x

    def q_kv(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (..., width) and, side by side, keys and values (..., 2 * width) of tokens x (..., width)."""
        return self._projected(x, slice(None)).split([self.width, 2 * self.width], dim=-1)

    def kv(self, x: Tensor) -> Tensor:
        """Keys and values alone, for positions whose own output nobody reads."""
        return self._projected(x, slice(self.width, None))

    def q(self, x: Tensor) -> Tensor:
        """Queries alone, for the positions that are read after the last layer."""
        return self._projected(x, slice(self.width))

    def _projected(self, x: Tensor, part: slice) -> Tensor:
        x = self.before(x)
        y = F.linear(x, self.in_weight[part], self.in_bias[part])
        return y if self.beside_in is None else y + self.beside_in(x, part)

    def merged(self, attended: Tensor) -> Tensor:
        """Output projection of what was attended to (..., width)."""
        y = self.out_proj(attended)
        return y if self.beside_out is None else y + self.beside_out(attended)


@contextmanager
def in_place(blocks: Iterable[nn.Module], part: str, modules: Iterable[nn.Module]) -> Iterator[None]:
    """Trained modules as the blocks' `part` (`beside_in`, `ln_1`, ...), one a block, for as long as the context lasts.

    Blocks belong to a backbone that several models share, so what a model adds to them is there for its own passes alone.
    """
    before = []
    try:
        for block, module in zip(blocks, modules, strict=True):
            before.append((block, getattr(block, part)))
            setattr(block, part, module)
        yield
    finally:
        for block, was in before:
            setattr(block, part, was)


class Block(Attending):
    """One frozen block over weights that belong to the loaded model (shared, not copied).

    Args:
        ln_1, ln_2: the model's LayerNorms.
        in_proj: weight (3 * width, width) and bias (3 * width,) of the query, key and value projections, in this order.
        out_proj, fc, proj: the model's linear layers.
        activation: between `fc` and `proj`.
        heads: number of attention heads; each is width // heads wide.
        scales: LayerScale vectors (width,) after attention and after the MLP, for models that have them.
    """

    def __init__(
        self,
        ln_1: nn.LayerNorm,
        in_proj: tuple[nn.Parameter, nn.Parameter],
        out_proj: nn.Linear,
        ln_2: nn.LayerNorm,
        fc: nn.Linear,
        activation: nn.Module,
        proj: nn.Linear,
        heads: int,
        scales: tuple[nn.Parameter | None, nn.Parameter | None] = (None, None),
    ) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = LayerNorm(ln_1), LayerNorm(ln_2)
        self.in_weight, self.in_bias = in_proj
        self.out_proj, self.fc, self.proj = out_proj, fc, proj
        self.quick = type(activation).__name__ == "QuickGELU"
        self.activation = activation
        self.heads = heads
        self.scale_1, self.scale_2 = scales

    @property
    def eps_before(self) -> float:
        """Epsilon of the LayerNorm before attention."""
        return self.ln_1.eps

    def before(self, x: Tensor) -> Tensor:
        return self.ln_1(x)

    def reading(self) -> tuple[Tensor, Tensor]:
        """Weight (2 * width, width) and bias (2 * width,) of `kv` for x that are normalised but not yet scaled, float32."""
        weight, bias = self.in_weight[self.width :].float(), self.in_bias[self.width :].float()
        return weight * self.ln_1.weight.float(), weight @ self.ln_1.bias.float() + bias

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """Tokens x (..., width) after the block, given what each attended to (..., width)."""
        y = self.merged(attended)
        x = x + (y if self.scale_1 is None else y * self.scale_1)
        y = self.fc(self.ln_2(x))
        y = self.proj(quick_gelu(y) if self.quick else self.activation(y))
        return x + (y if self.scale_2 is None else y * self.scale_2)


def from_open_clip(block: nn.Module) -> Block:
    """Block over an open_clip `ResidualAttentionBlock`."""
    scales = tuple(getattr(layer, "gamma", None) for layer in (block.ls_1, block.ls_2))
    in_proj = (block.attn.in_proj_weight, block.attn.in_proj_bias)
    fc, act, proj = block.mlp.c_fc, block.mlp.gelu, block.mlp.c_proj
    return Block(block.ln_1, in_proj, block.attn.out_proj, block.ln_2, fc, act, proj, block.attn.num_heads, scales)


def from_timm(block: nn.Module) -> Block:
    """Block over a timm vision-transformer `Block` (BiomedCLIP's image tower)."""
    scales = tuple(getattr(layer, "gamma", None) for layer in (block.ls1, block.ls2))
    attn, mlp = block.attn, block.mlp
    in_proj = (attn.qkv.weight, attn.qkv.bias)
    return Block(block.norm1, in_proj, attn.proj, block.norm2, mlp.fc1, mlp.act, mlp.fc2, attn.num_heads, scales)


def from_hugging_face(layer: nn.Module, heads: int) -> Block:
    """Block over a transformers `SiglipEncoderLayer` or `CLIPEncoderLayer`; its three projections of attention become one."""
    attn, mlp = layer.self_attn, layer.mlp
    projections = (attn.q_proj, attn.k_proj, attn.v_proj)
    weight, bias = (
        nn.Parameter(torch.cat([getattr(p, kind) for p in projections]).detach()) for kind in ("weight", "bias")
    )
    norms = (layer.layer_norm1, layer.layer_norm2)
    return Block(norms[0], (weight, bias), attn.out_proj, norms[1], mlp.fc1, mlp.activation_fn, mlp.fc2, heads)
