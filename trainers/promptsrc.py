"""PromptSRC: independent prompts kept close to the frozen CLIP (Khattak et al., ICCV 2023)."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import MOST_TEXT, MOST_VISION, TEMPLATES_HELP, Column, Recording
from trainers.ivlp import IVLP, IVLPModel
from vlm.backbone import Backbone
from vlm.prompts.averaging import GaussianAverage
from vlm.prompts.class_features import class_features
from vlm.prompts.templates import IMAGENET_TEMPLATES


class PromptSRCModel(IVLPModel):
    """Independent prompts whose features and predictions are drawn towards the frozen CLIP's (equations 3 to 5).

    Args:
        templates: hand-written prompts, whose mean text feature is the fixed text of a class.
        text_weight, image_weight: of the L1 distances to the fixed features.
        independent: arguments of `IVLPModel`.
    """

    def __init__(
        self,
        clip: Backbone,
        classnames: Sequence[str],
        templates: Sequence[str],
        text_weight: float = 25.0,
        image_weight: float = 10.0,
        **independent,
    ) -> None:
        super().__init__(clip, classnames, **independent)
        self.text_weight, self.image_weight = text_weight, image_weight
        fixed = class_features(clip, classnames, templates, raw_mean=True)
        self.register_buffer("fixed_text", fixed, persistent=False)

    def loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits, parts = self.loss_parts(images, labels)
        return logits, parts.sum()

    def loss_parts(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (batch, n_cls), and (4,): cross-entropy, weighted text L1, weighted image L1, KL to the frozen CLIP."""
        image = self.image_features(images)
        text = self.text_features(image)
        logits = self.logits(image, text)
        with torch.no_grad():
            fixed_image = self.clip.image(images)
            fixed_logits = self.logits(fixed_image, self.fixed_text)
        kl = F.kl_div(logits.log_softmax(1), fixed_logits.log_softmax(1), reduction="sum", log_target=True)
        parts = [
            F.cross_entropy(logits, labels),
            self.text_weight * F.l1_loss(text, self.fixed_text),
            self.image_weight * F.l1_loss(image, fixed_image),
            kl / logits.numel(),
        ]
        return logits, torch.stack(parts)


@TRAINER_REGISTRY.register()
class PromptSRC(IVLP):
    section = "PROMPTSRC"
    defaults = {
        **IVLP.defaults,
        "N_CTX_TEXT": Option(4, "context vectors in the text tower", 1, MOST_TEXT),
        "N_CTX_VISION": Option(4, "prompt vectors in the image tower", 1, MOST_VISION),
        "TEXT_LOSS_WEIGHT": Option(25.0, "weight of the distance to the frozen text features", 0.0, 1e6),
        "IMAGE_LOSS_WEIGHT": Option(10.0, "weight of the distance to the frozen image features", 0.0, 1e6),
        "TEMPLATES": Option("imagenet", TEMPLATES_HELP),
        "GPA_MEAN": Option(15.0, "epoch that weighs most in the Gaussian average of prompts", 0.0, 1e6),
        "GPA_STD": Option(1.0, "width of that average in epochs", 1e-3, 1e6),
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> PromptSRCModel:
        weights = (float(self.options.TEXT_LOSS_WEIGHT), float(self.options.IMAGE_LOSS_WEIGHT))
        return PromptSRCModel(clip, classnames, self.templates(), *weights, **self.depths())

    def average(self) -> GaussianAverage:
        o = self.options
        return GaussianAverage(self.model.named_parameters(), self.cfg.OPTIM.MAX_EPOCH, o.GPA_MEAN, o.GPA_STD)

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> PromptSRCModel:
        depths = cls.recorded_depths(clip, case, arrays)
        return PromptSRCModel(clip, case["classnames"], IMAGENET_TEMPLATES, **depths)

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        model = recording.model(cls)
        yield from recording.step(model)
        yield Column("fixed_text", model.fixed_text)
        yield Column("loss_parts", model.loss_parts(recording.arrays["images"], recording.arrays["labels"].long())[1])
