"""ProGrad: CoOp whose steps never lead away from what zero-shot CLIP knows (Zhu et al., ICCV 2023)."""

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import MOST_TEXT, TEMPLATES_HELP, Column, PromptTrainer, Recording
from trainers.coop import CoOpModel
from vlm.backbone import Backbone
from vlm.prompts.class_features import class_features
from vlm.prompts.prompted import initial_ctx


class ProGradModel(CoOpModel):
    """CoOp, with a rule for gradients.

    a is the gradient of the cross-entropy, b that of the divergence from zero-shot CLIP's predictions, u = b / |b|. Where a
    would raise the divergence (a . u < 0), the part of it that does is taken out: a - lambda (a . u) u. b is never followed.

    Args:
        ctx: (n_ctx, width).
        templates: hand-written prompts of the zero-shot CLIP.
        temperature: T, that both predictions are divided by in the divergence.
        strength: lambda; 1 takes the whole conflict out.
    """

    def __init__(
        self,
        clip: Backbone,
        classnames: Sequence[str],
        ctx: Tensor,
        templates: Sequence[str],
        temperature: float = 1.0,
        strength: float = 1.0,
    ) -> None:
        super().__init__(clip, classnames, ctx)
        self.temperature, self.strength = temperature, strength
        self.register_buffer("fixed_text", class_features(clip, classnames, templates), persistent=False)
        self._divergence: Tensor | None = None

    def loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The cross-entropy; `backward` needs the divergence of the same batch."""
        logits, (loss, self._divergence) = self.loss_parts(images, labels)
        return logits, loss

    def loss_parts(self, images: Tensor, labels: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Logits (batch, n_cls), and cross-entropy and divergence: -T^2 mean over images of sum softmax(q / T) log softmax."""
        image = self.image_features(images)
        logits = self.logits(image, self.text_features(image))
        general = self.general(image) / self.temperature
        divergence = F.cross_entropy(logits / self.temperature, general.softmax(1)) * self.temperature**2
        return logits, (F.cross_entropy(logits, labels), divergence)

    def general(self, image_features: Tensor) -> Tensor:
        """Zero-shot CLIP's logits q, (batch, n_cls)."""
        return self.logits(image_features, self.fixed_text)

    def backward(self, loss: Tensor, scaled: Callable[[Tensor], Tensor] = lambda loss: loss) -> None:
        (general,) = torch.autograd.grad(scaled(self._divergence), [self.ctx], retain_graph=True)
        self._divergence = None
        scaled(loss).backward()
        if dist.is_initialized():
            dist.all_reduce(general)  # the sum over processes has the direction of their mean
        direction = F.normalize(general.flatten(), dim=0).view_as(general)
        along = (self.ctx.grad * direction).sum()
        self.ctx.grad -= self.strength * along.clamp(max=0) * direction


def late_ctx(clip: Backbone, words: str, n_ctx: int) -> Tensor:
    """(n_ctx, width): all of `words` in the last rows and zeros before them; longer words make a longer context."""
    given = initial_ctx(clip, words, len(clip.text.vocabulary.encode(words.replace("_", " "))))
    return torch.cat([given.new_zeros(max(n_ctx - len(given), 0), given.shape[1]), given])


@TRAINER_REGISTRY.register()
class ProGrad(PromptTrainer):
    section = "PROGRAD"
    defaults = {
        "N_CTX": Option(4, "context vectors", 1, MOST_TEXT),
        "CTX_INIT": Option("template", 'words that end the context: those before {} in the template; "" draws it'),
        "T": Option(1.0, "temperature of the predictions that are held together", 0.01, 1e3),
        "LAMBDA": Option(1.0, "how much of a conflicting gradient is taken out", 0.0, 1e3),
        "TEMPLATES": Option("first", TEMPLATES_HELP),
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> ProGradModel:
        o, templates = self.options, self.templates()
        words = templates[0].partition("{}")[0].strip() if o.CTX_INIT == "template" else o.CTX_INIT
        ctx = late_ctx(clip, words, o.N_CTX) if words else initial_ctx(clip, "", o.N_CTX)
        return ProGradModel(clip, classnames, ctx, templates, float(o.T), float(o.LAMBDA))

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> ProGradModel:
        options, ctx = case["options"], arrays["param/prompt_learner.ctx"].clone()
        return ProGradModel(clip, case["classnames"], ctx, [options["template"]], options["T"], options["lambda"])

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        model, arrays = recording.model(cls), recording.arrays
        yield from recording.step(model)
        _, parts = model.loss_parts(arrays["images"], arrays["labels"].long())
        yield Column("loss_parts", torch.stack(parts))
        yield Column("zero_shot_logits", model.general(model.image_features(arrays["images"])))
        for name, part in zip(("xe", "kl"), parts, strict=True):
            (gradient,) = torch.autograd.grad(part, [model.ctx], retain_graph=True)
            yield Column(f"grad_{name}/prompt_learner.ctx", gradient)
