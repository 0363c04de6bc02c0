"""Where in the image a prediction comes from: relevance of patches to one class.

The last image layer reads its patches through CLS alone. With A (heads, patches) CLS's attention there and y the class's
logit, the relevance of a patch is the mean over heads of max(0, A * dy/dA): attention that speaks for the class
(Chefer et al., ICCV 2021, for one layer). In a conditional method y depends on the image through the text as well, and
the gradient takes both ways.
"""

import torch
from torch import Tensor

from toolbox.errors import UserError
from vlm.prompts.prompted import PromptedCLIP


def relevance(model: PromptedCLIP, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Logits (batch, n_cls) and relevance maps (batch, rows, columns of patches), each map scaled to 0..1.

    Args:
        model: in evaluation mode.
        images: (batch, 3, height, width), preprocessed.
        labels: the class each map is for, (batch,); the predicted one by default.

    Raises:
        UserError: the image tower is no ViT that reads its patches through CLS.
    """
    vit = model.clip.image
    if not vit.takes_prompts or not vit.reads_cls:
        raise UserError(f"backbone {model.clip.name} has no CLS that reads patch tokens; heat maps need a ViT that has")
    prompts = model.visual_prompts()
    kept = []

    def watched(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        weights = torch.softmax((q @ k.mT) * q.shape[-1] ** -0.5, dim=-1).detach().requires_grad_(True)
        kept.append(weights)
        return weights @ v

    with torch.no_grad():
        x = vit.tokens(images, prompts)
    with torch.enable_grad():
        logits = model.classify(vit.read(x, prompts, watched))
        labels = logits.argmax(1) if labels is None else labels
        (weights,) = kept
        (gradient,) = torch.autograd.grad(logits.gather(1, labels[:, None]).sum(), weights)
    patches = len(vit.positional_embedding) - 1
    grid = round(patches**0.5)
    found = (weights * gradient).clamp_min(0).mean(1)[:, 0, 1 : 1 + patches].detach().float()
    found = found / found.amax(1, keepdim=True).clamp_min(1e-12)
    return logits.detach(), found.unflatten(1, (grid, grid))
