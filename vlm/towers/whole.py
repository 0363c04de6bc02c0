"""What is used as it was loaded: image towers without places for prompts between their layers, and pools over tokens."""

from collections.abc import Sequence

import torch
from open_clip.timm_model import TimmModel
from torch import Tensor, nn

from toolbox.errors import UserError
from vlm.towers.block import unit


class Whole(nn.Module):
    """Computes in the precision of its own weights, norms included."""


class WholePool(Whole):
    """A pool over an image's tokens, (batch, tokens, width) -> (batch, width), as it was loaded."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(x)


class QueryPool(Whole):
    """CoCa's: many queries read the tokens, of which the first becomes the image's feature; the others are not asked.

    Args:
        pool: open_clip's `AttentionalPooler`.
        norm: of what a query read.
    """

    def __init__(self, pool: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.pool, self.norm = pool, norm
        pool.query = nn.Parameter(pool.query[:1].detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.pool(x)[:, 0])


class WholeImage(Whole):
    """A frozen image tower of any kind: CLIP's ResNets, ConvNeXt, EVA, FastViT, ViTs that pool over queries or patches.

    Args:
        visual: gives raw features (batch, embed_dim) of images, alone or as the first of several outputs.

    Attributes:
        kind: what its authors call it, for errors.
    """

    takes_prompts = False
    width = 0
    depth = 0

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual
        inner = visual.trunk if isinstance(visual, TimmModel) else visual
        self.kind = getattr(visual, "kind", type(inner).__name__.removeprefix("Modified"))

    @property
    def dtype(self) -> torch.dtype:
        return next(self.visual.parameters()).dtype

    def forward(self, images: Tensor, prompts: Sequence[Tensor] | Tensor = (), normalised: bool = True) -> Tensor:
        """Image features, (batch, embed_dim), of length 1 unless told otherwise.

        Raises:
            UserError: prompts were given.
        """
        if len(prompts):
            raise UserError(
                f"a {self.kind} image tower takes no visual prompts; choose a plain ViT backbone, such as ViT-B/16"
            )
        features = self.visual(images.to(self.dtype))
        features = features[0] if isinstance(features, tuple) else features
        return unit(features) if normalised else features.float()
