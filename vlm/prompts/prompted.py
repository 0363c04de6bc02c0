"""What a prompt-tuning method is to the rest: images in, logits out, over a frozen backbone."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toolbox.errors import UserError
from vlm.backbone import Backbone
from vlm.towers.tokens import init_words


def cosine_logits(
    image_features: Tensor, text_features: Tensor, logit_scale: Tensor, logit_bias: Tensor | None = None
) -> Tensor:
    """exp(logit_scale) * cosine + logit_bias, (batch, n_cls), in float32.

    Args:
        image_features: (batch, embed_dim), normalised.
        text_features: (n_cls, embed_dim), or (batch, n_cls, embed_dim) where they depend on the image; normalised.
        logit_bias: a scalar, of backbones that were trained with one (SigLIP).
    """
    with torch.autocast(image_features.device.type, enabled=False):
        if text_features.dim() == 2:
            cosine = image_features @ text_features.mT
        else:
            cosine = torch.einsum("be,bce->bc", image_features, text_features)
        logits = logit_scale.exp() * cosine
        return logits if logit_bias is None else logits + logit_bias


class PromptedCLIP(nn.Module):
    """A method's model. Its parameters are exactly what is trained; the frozen CLIP stands beside it, not inside.

    A subclass gives `text_features`, and `visual_prompts` if it has any.

    Attributes:
        clip: the frozen backbone, shared between models.
        conditional: text features depend on the image.
        for_classes: what is trained belongs to the very classes it was trained with, and serves no others.
        max_grad_norm: gradients of all that is trained, taken together, are cut to this length; 0 leaves them.
    """

    conditional = False
    for_classes = False
    max_grad_norm = 0.0

    def __init__(self, clip: Backbone) -> None:
        super().__init__()
        object.__setattr__(self, "clip", clip)  # not a submodule: never saved, never counted, never moved with it
        self._evaluated: Tensor | None = None

    def visual_prompts(self) -> Sequence[Tensor] | Tensor:
        """One (n_ctx, vision width) a prompted image layer; none by default."""
        return ()

    def text_features(self, image_features: Tensor) -> Tensor:
        """Normalised (n_cls, embed_dim); conditional methods return (batch, n_cls, embed_dim)."""
        raise NotImplementedError

    def log_scale(self) -> Tensor:
        """The log of what cosines are multiplied by to become logits, a scalar: the backbone's own."""
        return self.clip.logit_scale

    @property
    def frozen_images(self) -> bool:
        """Image features depend on the backbone alone, so they need no gradient and can be kept."""
        return len(self.visual_prompts()) == 0

    def image_features(self, images: Tensor) -> Tensor:
        """Normalised (batch, embed_dim)."""
        prompts = self.visual_prompts()
        with torch.set_grad_enabled(torch.is_grad_enabled() and len(prompts) > 0):
            return self.clip.image(images, prompts)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (batch, n_cls) of images (batch, 3, height, width)."""
        return self.classify(self.image_features(images))

    def classify(self, image_features: Tensor) -> Tensor:
        """Logits of images that are features already, (batch, embed_dim)."""
        return self.logits(image_features, self._text(image_features))

    def logits(self, image_features: Tensor, text_features: Tensor) -> Tensor:
        """`cosine_logits` with the model's scale and the backbone's bias, (batch, n_cls)."""
        return cosine_logits(image_features, text_features, self.log_scale(), self.clip.logit_bias)

    def loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (batch, n_cls) and the loss of a training batch; cross-entropy unless a method says otherwise."""
        logits = self(images)
        return logits, F.cross_entropy(logits, labels)

    def backward(self, loss: Tensor, scaled: Callable[[Tensor], Tensor] = lambda loss: loss) -> None:
        """Gradients of the last batch's `loss` into the parameters; methods with a rule of their own for them say it here.

        Args:
            scaled: what any loss goes through before it is differentiated (loss scaling under float16).
        """
        scaled(loss).backward()

    def _text(self, image_features: Tensor) -> Tensor:
        if self.training or self.conditional or torch.is_grad_enabled():
            return self.text_features(image_features)
        if self._evaluated is None:  # once an evaluation, not once a batch
            self._evaluated = self.text_features(image_features)
        return self._evaluated

    def train(self, mode: bool = True) -> "PromptedCLIP":
        self._evaluated = None
        return super().train(mode)

    def make_room(self, state: Mapping[str, Tensor]) -> None:
        """Called before `state` is loaded, for models with tensors whose size depends on the training images."""

    def about(self) -> dict[str, str]:
        """What the header of its checkpoints says of the model beside the usual, for people."""
        return {}

    def reference_parameters(self) -> Iterator[tuple[str, nn.Parameter, int | None]]:
        """(name in the method's reference program, our parameter, index into its first axis or None), for its files."""
        return iter(())


def initial_ctx(clip: Backbone, words: str, n_ctx: int) -> Tensor:
    """(n_ctx, text width): the embedding of the first word pieces of `words`, or a draw from N(0, 0.02) without words.

    Raises:
        UserError: `words` has fewer than `n_ctx` pieces, or `n_ctx` is not positive.
    """
    check_n_ctx(n_ctx, "text")
    if not words:
        return torch.empty(n_ctx, clip.text.width).normal_(std=0.02)
    return clip.text.embed(init_words(clip.text.vocabulary, words, n_ctx)).float().cpu()


class DeepPrompts(nn.Module):
    """Prompt vectors of one tower, (depth, n_ctx, width): the input's first, then one set a deeper prompted layer.

    Args:
        first: (n_ctx, width), the start of those at the input.
        depth: number of prompted layers.
        layers: layers of the tower; `depth` may not exceed it.
        tower: its name, for the error.
    """

    def __init__(self, first: Tensor, depth: int, layers: int, tower: str) -> None:
        super().__init__()
        check_depth(depth, layers, tower)
        deeper = torch.empty(depth - 1, *first.shape).normal_(std=0.02)
        self.vectors = nn.Parameter(torch.cat([first[None], deeper]))


def check_n_ctx(n_ctx: int, tower: str) -> None:
    """Raises UserError unless there is at least one prompt vector."""
    if n_ctx < 1:
        raise UserError(f"the number of {tower} prompt vectors (N_CTX) is {n_ctx}: use 1 or more")


def check_depth(depth: int, layers: int, tower: str) -> None:
    """Raises UserError if a tower of `layers` cannot have prompts in `depth` layers."""
    if not 1 <= depth <= layers:
        raise UserError(f"{tower} prompt depth is {depth} but the {tower} tower has {layers} layers: use 1 to {layers}")


def visual_prompts(clip: Backbone, n_ctx: int, depth: int) -> DeepPrompts:
    """Deep visual prompts from N(0, 0.02).

    Raises:
        UserError: the image tower takes no prompts (a ResNet, a ConvNeXt), or is not as deep.
    """
    check_takes_prompts(clip)
    check_n_ctx(n_ctx, "vision")
    first = torch.empty(n_ctx, clip.image.width).normal_(std=0.02)
    return DeepPrompts(first, depth, clip.image.depth, "vision")


def check_takes_prompts(clip: Backbone) -> None:
    """Raises UserError if the image tower takes no visual prompts (a ResNet, a ConvNeXt)."""
    if not clip.image.takes_prompts:
        raise UserError(
            f"backbone {clip.name} has a {clip.image.kind} image tower, which takes no visual prompts; choose a ViT, such as "
            "ViT-B/16"
        )


def check_reads_cls(clip: Backbone) -> None:
    """Raises UserError if the image tower is no ViT that is read at CLS."""
    check_takes_prompts(clip)
    if not clip.image.reads_cls:
        raise UserError(
            f"backbone {clip.name} pools its image tokens; this method reads CLS and each patch alike: choose a ViT with CLS, "
            "such as ViT-B/16"
        )
