"""Zero-shot CLIP: classes by hand-written templates, nothing trained."""

from collections.abc import Sequence

from torch import Tensor

from dassl.engine import TRAINER_REGISTRY
from toolbox.errors import UserError
from trainers.base import PromptTrainer
from vlm.backbone import Backbone
from vlm.block import unit
from vlm.prompted import PromptedCLIP


class ZeroshotModel(PromptedCLIP):
    """Cosine to the mean over `templates` of each class's text features; templates have one `{}`."""

    def __init__(self, clip: Backbone, classnames: Sequence[str], templates: Sequence[str]) -> None:
        super().__init__(clip)
        names = [name.replace("_", " ") for name in classnames]
        texts = [template.format(name) for template in templates for name in names]
        features = clip.text.encode(texts).unflatten(0, (len(templates), len(names)))
        self.register_buffer("text", unit(features.mean(0)), persistent=False)

    def text_features(self, image_features: Tensor) -> Tensor:
        return self.text


@TRAINER_REGISTRY.register()
class ZeroshotCLIP(PromptTrainer):
    """Zero-shot CLIP with the data set's first template; `TEMPLATES all` takes the ensemble of all it has."""

    section = "ZSCLIP"
    defaults = {"TEMPLATES": "first"}  # first, all, or templates of your own separated by ";", each with one {}
    trains = False

    def make_model(self, clip: Backbone, classnames: list[str]) -> ZeroshotModel:
        choice = self.options.TEMPLATES
        templates = getattr(self.dm.dataset, "templates", None) or ["a photo of a {}."]
        if choice == "first":
            templates = templates[:1]
        elif choice != "all":
            templates = [t.strip() for t in choice.split(";")]
            for template in templates:
                if template.count("{}") != 1:
                    raise UserError(
                        f"TRAINER.ZSCLIP.TEMPLATES: {template!r} must have exactly one {{}} for the class name"
                    )
        print(f"Templates: {templates}")
        return ZeroshotModel(clip, classnames, templates)
