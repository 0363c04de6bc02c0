"""`cilmp.load`: a CLIP by name, as people use one: encode images, encode texts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from vlm.backbone import Backbone


@dataclass(frozen=True)
class LoadedCLIP:
    """A frozen CLIP.

    Attributes:
        backbone: what methods work with (`vlm.Backbone`).
        preprocess: PIL image -> (3, height, width), as the methods test.
    """

    backbone: "Backbone"
    preprocess: "Callable[[Image.Image], Tensor]"

    def encode_image(self, images: "Tensor | str | Path | Image.Image | Sequence[Any]") -> "Tensor":
        """Features of length 1, (n, embed_dim): of files, PIL images, or a preprocessed batch (n, 3, height, width)."""
        import torch

        from datasets.images import read_image

        if not isinstance(images, torch.Tensor):
            several = images if isinstance(images, list | tuple) else [images]
            pictures = [read_image(one) if isinstance(one, str | Path) else one.convert("RGB") for one in several]
            images = torch.stack([self.preprocess(picture) for picture in pictures])
        with torch.no_grad():
            return self.backbone.image(images.to(self.backbone.device))

    def encode_text(self, texts: str | Sequence[str]) -> "Tensor":
        """Features of length 1, (n, embed_dim)."""
        import torch

        with torch.no_grad():
            return self.backbone.text.encode([texts] if isinstance(texts, str) else list(texts))

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied by before a softmax."""
        return float(self.backbone.logit_scale.exp())


def load(name: str = "small_clip", device: str = "cpu") -> LoadedCLIP:
    """Load a CLIP by a name of `cilmp list backbones`, an address (open_clip:MODEL/TAG, hf-hub:ORG/REPO) or a file.

    Raises:
        UserError: it is not known, or cannot be had.
    """
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

    import vlm

    backbone = vlm.load(name).to(device)
    size = backbone.image_size
    steps = [
        Resize(size, InterpolationMode.BICUBIC),
        CenterCrop(size),
        ToTensor(),
        Normalize(backbone.mean, backbone.std),
    ]
    return LoadedCLIP(backbone, Compose(steps))
