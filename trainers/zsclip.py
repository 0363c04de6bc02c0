"""Zero-shot CLIP: classes by hand-written templates, nothing trained."""

from collections.abc import Sequence

from torch import Tensor

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import TEMPLATES_HELP, PromptTrainer
from vlm.backbone import Backbone
from vlm.prompts.class_features import class_features
from vlm.prompts.prompted import PromptedCLIP


class ZeroshotModel(PromptedCLIP):
    """Cosine to the mean over `templates` of each class's text features; templates have one `{}`."""

    def __init__(self, clip: Backbone, classnames: Sequence[str], templates: Sequence[str]) -> None:
        super().__init__(clip)
        self.register_buffer("text", class_features(clip, classnames, templates), persistent=False)

    def text_features(self, image_features: Tensor) -> Tensor:
        return self.text


@TRAINER_REGISTRY.register()
class ZeroshotCLIP(PromptTrainer):
    """Zero-shot CLIP with the data set's first template; `TEMPLATES all` takes the ensemble of all it has."""

    section = "ZSCLIP"
    defaults = {"TEMPLATES": Option("first", TEMPLATES_HELP)}
    trains = False

    def make_model(self, clip: Backbone, classnames: list[str]) -> ZeroshotModel:
        return ZeroshotModel(clip, classnames, self.templates())
