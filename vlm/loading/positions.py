"""Another image size than the backbone was trained with: its position embeddings are resized."""

import torch
import torch.nn.functional as F
from open_clip.model import ModifiedResNet
from torch import Tensor, nn

from toolbox.errors import UserError
from vlm.backbone import Backbone
from vlm.towers.vision import ViT


def resize(clip: Backbone, image_size: int) -> None:
    """Make `clip` take images of `image_size` pixels a side, in place.

    The grid of position embeddings is interpolated (bicubic, with antialiasing, as open_clip does); that of CLS is kept.

    Raises:
        UserError: the size is no whole number of patches, or the tower has no grid of them that can be resized.
    """
    tower = clip.image
    vit = isinstance(tower, ViT)
    if not vit and not isinstance(tower.visual, ModifiedResNet):
        raise UserError(
            f"MODEL.BACKBONE.IMAGE_SIZE {image_size}: {clip.name} has a {tower.kind} image tower, which takes images of "
            f"{clip.image_size} pixels alone; remove it"
        )
    patch = tower.conv1.kernel_size[0] if vit else 32  # a ResNet halves the image five times before its attention pool
    if image_size <= 0 or image_size % patch:
        near = max(1, round(image_size / patch)) * patch
        raise UserError(
            f"MODEL.BACKBONE.IMAGE_SIZE {image_size}: {clip.name} sees patches of {patch} pixels; choose a multiple, such as "
            f"{near}"
        )
    module = tower if vit else tower.visual.attnpool
    resized = resized_grid(module.positional_embedding, image_size // patch, tower.prefix if vit else 1)
    module.positional_embedding = nn.Parameter(resized, requires_grad=False)
    clip.image_size = image_size


@torch.no_grad()
def resized_grid(positions: Tensor, grid: int, prefix: int) -> Tensor:
    """Position embeddings (prefix + n * n, width) for another grid, (prefix + grid * grid, width)."""
    first, rest = positions[:prefix], positions[prefix:]
    n = round(len(rest) ** 0.5)
    image = rest.T.reshape(1, -1, n, n)
    image = F.interpolate(image.float(), (grid, grid), mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([first, image[0].flatten(1).T.to(rest.dtype)])
