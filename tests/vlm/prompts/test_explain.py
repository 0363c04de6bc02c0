import torch

from vlm.backbone import Backbone
from vlm.prompts.explain import relevance
from vlm.prompts.prompted import PromptedCLIP


class OneDirection(PromptedCLIP):
    """Class 1 is whatever the image features gain along a fixed direction."""

    def __init__(self, clip: Backbone, direction: torch.Tensor) -> None:
        super().__init__(clip)
        self.direction = torch.stack([-direction, direction])

    def text_features(self, image_features):
        return self.direction


def test_relevance_is_the_gradient_with_respect_to_attention(tiny_clip):
    """Against finite differences of CLS's attention to each patch."""
    torch.manual_seed(1)
    direction = torch.nn.functional.normalize(torch.randn(64), dim=0)
    model = OneDirection(tiny_clip, direction).eval()
    images = torch.randn(2, 3, 32, 32)
    logits, maps = relevance(model, images, torch.tensor([1, 1]))
    torch.testing.assert_close(logits, model(images), atol=1e-4, rtol=0)
    assert maps.shape == (2, 4, 4) and maps.min() >= 0 and abs(maps.amax().item() - 1) < 1e-6

    vit, step = tiny_clip.image, 1e-3
    x = vit.tokens(images[:1])

    def logit(patch: int | None) -> torch.Tensor:
        def attention(q, k, v):
            weights = torch.softmax((q @ k.mT) * q.shape[-1] ** -0.5, dim=-1)
            if patch is not None:
                weights = weights.clone()
                weights[..., 1 + patch] *= 1 + step
            return weights @ v

        with torch.no_grad():
            return model.classify(vit.read(x, (), attention))[0, 1]

    # The tiny tower has one head, so the map is max(0, A dy/dA) up to its scale, and a finite difference gives A dy/dA.
    slopes = torch.stack([(logit(p) - logit(None)) / step for p in range(16)]).clamp_min(0)
    torch.testing.assert_close(slopes / slopes.max(), maps[0].flatten(), atol=0.02, rtol=0)
