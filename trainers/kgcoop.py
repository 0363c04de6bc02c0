"""KgCoOp: CoOp whose text features stay near those of a hand-written prompt (Yao et al., CVPR 2023)."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import MOST_TEXT, TEMPLATES_HELP, Column, PromptTrainer, Recording
from trainers.coop import CoOpModel, given_or_drawn_ctx
from vlm.backbone import Backbone
from vlm.prompts.class_features import class_features


class KgCoOpModel(CoOpModel):
    """CoOp, and a term that holds its text features near those of `templates`.

    Args:
        ctx: (n_ctx, width).
        templates: hand-written prompts with one {} for the class name.
        weight: of the term (8 in the paper).
    """

    def __init__(
        self, clip: Backbone, classnames: Sequence[str], ctx: Tensor, templates: Sequence[str], weight: float = 8.0
    ) -> None:
        super().__init__(clip, classnames, ctx)
        self.weight = weight
        self.register_buffer("fixed_text", class_features(clip, classnames, templates), persistent=False)

    def loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        image = self.image_features(images)
        text = self.text_features(image)
        logits = self.logits(image, text)
        return logits, F.cross_entropy(logits, labels) + self.weight * self.score(text)

    def score(self, text_features: Tensor) -> Tensor:
        """1 - mean cosine between normalised text features (n_cls, embed_dim) and the hand-written prompts'."""
        return 1 - (text_features * self.fixed_text).sum(-1).mean()


@TRAINER_REGISTRY.register()
class KgCoOp(PromptTrainer):
    section = "KGCOOP"
    defaults = {
        "N_CTX": Option(4, "context vectors", 1, MOST_TEXT),
        "CTX_INIT": Option("a photo of a", 'words whose embedding starts the context; "" draws it'),
        "W": Option(8.0, "weight of the pull towards hand-written prompts", 0.0, 1e6),
        "TEMPLATES": Option("first", TEMPLATES_HELP),
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> KgCoOpModel:
        o = self.options
        ctx = given_or_drawn_ctx(clip, o.CTX_INIT, o.N_CTX)
        return KgCoOpModel(clip, classnames, ctx, self.templates(), float(o.W))

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> KgCoOpModel:
        ctx = arrays["param/prompt_learner.ctx"].clone()
        return KgCoOpModel(clip, case["classnames"], ctx, ["a photo of a {}."])

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        model = recording.model(cls)
        yield from recording.step(model)
        yield Column("score", model.score(model.text_features(torch.empty(0))))
