"""TCP: prompts that know their class, made from its hand-written prompt's feature (Yao et al., CVPR 2024)."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import MOST_LAYERS, MOST_TEXT, TEMPLATES_HELP, Column, PromptTrainer, Recording
from vlm.backbone import Backbone
from vlm.prompts.class_features import class_features
from vlm.prompts.class_tokens import ClassTokenLayout
from vlm.prompts.prompted import PromptedCLIP, initial_ctx
from vlm.towers.tokens import NameTokens


class Quick(nn.Module):
    """x * sigmoid(1.702 x), the activation of CLIP's towers, for modules that are trained."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class TCPModel(PromptedCLIP):
    """[SOS][ctx][class].[EOT], where layer `layer` and those after it see tokens of each class in the context's place.

    A meta-net makes them of e, the class's feature under `template`: Linear - QuickGELU - Linear. The loss holds text features
    t near e: cross-entropy + weight (1 - mean cos(t, e)).

    Args:
        ctx: (n_ctx, width).
        template: a hand-written prompt; what follows its {} follows the class name in the learned prompt too.
        layer: counted from 0.
    """

    def __init__(
        self, clip: Backbone, classnames: Sequence[str], ctx: Tensor, template: str, layer: int = 8, weight: float = 8.0
    ) -> None:
        super().__init__(clip)
        behind = template.partition("{}")[2].rstrip(" .")
        names = NameTokens(clip.text.vocabulary, [f"{name}{behind}" for name in classnames], len(ctx))
        self.layout = ClassTokenLayout(clip.text, names, len(ctx), layer)
        self.weight = weight
        self.register_buffer("fixed_text", class_features(clip, classnames, [template]), persistent=False)
        self.ctx = nn.Parameter(ctx)
        hidden = clip.embed_dim // 4
        layers = [
            ("linear1", nn.Linear(clip.embed_dim, hidden)),
            ("gelu", Quick()),
            ("linear2", nn.Linear(hidden, ctx.numel())),
        ]
        self.meta_net = nn.Sequential(OrderedDict(layers))

    def class_tokens(self) -> Tensor:
        """(n_cls, n_ctx, width)"""
        return self.meta_net(self.fixed_text).unflatten(1, self.ctx.shape)

    def text_features(self, image_features: Tensor) -> Tensor:
        return self.layout.features(self.clip.text, self.ctx, self.class_tokens())

    def loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits, parts = self.loss_parts(images, labels)
        return logits, parts[0] + self.weight * parts[1]

    def loss_parts(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (batch, n_cls), and (2,): cross-entropy, and 1 - mean cosine of text features to the hand-written ones."""
        image = self.image_features(images)
        text = self.text_features(image)
        logits = self.logits(image, text)
        return logits, torch.stack([F.cross_entropy(logits, labels), 1 - (text * self.fixed_text).sum(-1).mean()])

    def reference_parameters(self) -> Iterator[tuple[str, nn.Parameter, int | None]]:
        for name, parameter in self.named_parameters():
            yield f"prompt_learner.{name}", parameter, None


@TRAINER_REGISTRY.register()
class TCP(PromptTrainer):
    section = "TCP"
    defaults = {
        "N_CTX": Option(4, "context vectors, and tokens of each class", 1, MOST_TEXT),
        "CTX_INIT": Option("", 'words whose embedding starts the context; "" draws it'),
        "LAYER": Option(8, "first text layer, counted from 0, that sees the classes' own tokens", 1, MOST_LAYERS),
        "W": Option(8.0, "weight of the pull towards hand-written prompts", 0.0, 1e6),
        "TEMPLATES": Option("first", f"the first of them is taken; {TEMPLATES_HELP}"),
        "ADAM_EPS": Option(1e-3, "epsilon of Adam, which Dassl has no key for", 1e-12, 1.0),
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> TCPModel:
        o = self.options
        ctx = initial_ctx(clip, o.CTX_INIT, o.N_CTX)
        return TCPModel(clip, classnames, ctx, self.templates()[0], o.LAYER, float(o.W))

    def make_optimizer(self) -> torch.optim.Optimizer:
        optimizer = super().make_optimizer()
        for group in optimizer.param_groups:
            if "eps" in group:
                group["eps"] = self.options.ADAM_EPS
        return optimizer

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> TCPModel:
        options, ctx = case["options"], arrays["param/prompt_learner.ctx"].clone()
        return TCPModel(clip, case["classnames"], ctx, options["template"], weight=options["score_weight"])

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        model, arrays = recording.model(cls), recording.arrays
        yield from recording.step(model)
        yield Column("loss_parts", model.loss_parts(arrays["images"], arrays["labels"].long())[1])
        yield Column("fixed_text", model.fixed_text)
        yield Column("class_prompts", model.class_tokens())
