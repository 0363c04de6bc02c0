"""Image towers used as they were loaded: what is put between their layers would have no place, so they take no prompts."""

from collections.abc import Sequence

import torch
from open_clip.timm_model import TimmModel
from torch import Tensor, nn

from toolbox.errors import UserError
from vlm.towers.block import unit


class WholeImage(nn.Module):
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
        self.kind = type(inner).__name__.removeprefix("Modified")

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
