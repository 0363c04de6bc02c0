"""CLIP's ViT with deep visual prompts; image towers without places for them are in `vlm.towers.whole`.

Where a layer's prompts are replaced before the next layer, nobody reads their output: they enter as keys and values only,
once for the whole batch. After the last layer only CLS is read, so that layer asks one query an image. Weights are frozen,
and what comes before the first prompt (patches, positions, ln_pre) needs no gradient.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlm.towers.attention import attend
from vlm.towers.block import Block, LayerNorm, projected, unit


class MeanPool(nn.Module):
    """The mean of tokens from `first` on, then `norm`: (batch, tokens, width) -> (batch, width)."""

    def __init__(self, first: int, norm: nn.Module) -> None:
        super().__init__()
        self.first, self.norm = first, norm

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x[:, self.first :].mean(1))


class ViT(nn.Module):
    """The frozen vision transformer.

    Args:
        conv1: patch embedding.
        class_embedding: (width,), or None where there is no CLS (SigLIP).
        positional_embedding: (CLS and patches, width).
        ln_pre: LayerNorm before the first block, or None.
        blocks: pre-norm blocks, in order.
        ln_post: LayerNorm over what is read after the last block, or None.
        proj: (width, embed_dim), or a module that ends the tower, or None where features are as wide as it.
        pool: reads the image's own tokens (batch, tokens, width) as one (batch, width), after ln_post; None reads CLS. Prompts
            are not among them.
    """

    takes_prompts = True

    def __init__(
        self,
        conv1: nn.Conv2d,
        class_embedding: nn.Parameter | None,
        positional_embedding: nn.Parameter,
        ln_pre: nn.LayerNorm | None,
        blocks: Sequence[Block],
        ln_post: nn.LayerNorm | None,
        proj: nn.Parameter | nn.Module | None,
        pool: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = conv1
        self.register_parameter("class_embedding", class_embedding)
        self.positional_embedding = positional_embedding
        self.ln_pre = LayerNorm(ln_pre) if ln_pre is not None else nn.Identity()
        self.blocks = nn.ModuleList(blocks)
        self.ln_post = LayerNorm(ln_post) if ln_post is not None else nn.Identity()
        self.proj, self.pool = proj, pool

    @property
    def reads_cls(self) -> bool:
        """Whether the last block is read at CLS alone."""
        return self.pool is None

    @property
    def width(self) -> int:
        return self.positional_embedding.shape[1]

    @property
    def prefix(self) -> int:
        """How many tokens stand before the patches."""
        return 0 if self.class_embedding is None else 1

    @property
    def depth(self) -> int:
        return len(self.blocks)

    @property
    def dtype(self) -> torch.dtype:
        return self.conv1.weight.dtype

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """Images (batch, 3, height, width) to tokens [CLS, if any][patches], (batch, tokens, width), after ln_pre."""
        x = self.conv1(images.to(self.dtype)).flatten(2).transpose(1, 2)
        if self.class_embedding is not None:
            x = torch.cat([self.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1), x], dim=1)
        return self.ln_pre(x + self.positional_embedding.to(x.dtype))

    def tokens(self, images: Tensor, prompts: Sequence[Tensor] | Tensor = ()) -> Tensor:
        """Tokens that enter the last block, (batch, tokens, width), with the first `depth` layers' prompts put in.

        Args:
            prompts: one (n_ctx, width) a prompted layer, from the input on. They stand after the patches; those of the
                input pass through ln_pre, deeper ones enter raw.
        """
        x = self.embed(images)
        for i, block in enumerate(self.blocks[:-1]):
            x, context = self._with_prompts(x, prompts, i)
            x = self._block(block, x, context)
        return x

    def forward(self, images: Tensor, prompts: Sequence[Tensor] | Tensor = (), normalised: bool = True) -> Tensor:
        """Image features, (batch, embed_dim), of length 1 unless told otherwise; other arguments as in `tokens`."""
        return self.read(self.tokens(images, prompts), prompts, normalised=normalised)

    def read(
        self,
        x: Tensor,
        prompts: Sequence[Tensor] | Tensor = (),
        attention: Callable[[Tensor, Tensor, Tensor], Tensor] = F.scaled_dot_product_attention,
        normalised: bool = True,
    ) -> Tensor:
        """Features from the tokens that enter the last block: only CLS asks there, unless the tower pools all tokens.

        Args:
            attention: where CLS asks, of CLS's query (batch, heads, 1, d) over keys and values (batch, heads, tokens, d).
        """
        block = self.blocks[-1]
        x, context = self._with_prompts(x, prompts, self.depth - 1)
        if self.pool is None:
            cls, kv = x[:, :1], self._keys(block.kv(x), context)
            read = self.ln_post(block.finish(cls, attend(block.q(cls), kv, block.heads, attention=attention))[:, 0])
        else:
            own = self._block(block, x, context)[:, : len(self.positional_embedding)]
            read = self.pool(self.ln_post(own))
        features = projected(read, self.proj)
        return unit(features) if normalised else features.float()

    def every_token(self, images: Tensor) -> Tensor:
        """L2-normalised features of CLS and all patches, (batch, 1 + patches, embed_dim), each read as CLS is."""
        x = self._block(self.blocks[-1], self.tokens(images), None)
        return unit(projected(self.ln_post(x), self.proj))

    def _with_prompts(self, x: Tensor, prompts: Sequence[Tensor] | Tensor, i: int) -> tuple[Tensor, Tensor | None]:
        """The tokens that layer i computes in full, and the keys and values it only reads."""
        if i >= len(prompts):
            return x, None
        prompt = prompts[i].to(x.dtype)
        prompt = (self.ln_pre(prompt) if i == 0 else prompt)[None]
        if i == len(prompts) - 1 and i < self.depth - 1:
            # The deeper layers go on from what this one makes of its prompts, so from here they are ordinary tokens.
            return torch.cat([x, prompt.expand(x.shape[0], -1, -1)], dim=1), None
        return x, self.blocks[i].kv(prompt)

    def _block(self, block: Block, x: Tensor, context: Tensor | None) -> Tensor:
        q, kv = block.q_kv(x)
        return block.finish(x, attend(q, self._keys(kv, context), block.heads))

    @staticmethod
    def _keys(kv: Tensor, context: Tensor | None) -> Tensor:
        return kv if context is None else torch.cat([kv, context.expand(kv.shape[0], -1, -1)], dim=1)
