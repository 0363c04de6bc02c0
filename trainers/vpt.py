"""VPT: deep visual prompts beside a hand-written text prompt (Jia et al., ECCV 2022; on CLIP as in MaPLe's comparison)."""

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import MOST_LAYERS, MOST_VISION, TEMPLATES_HELP, PromptTrainer
from vlm.backbone import Backbone
from vlm.prompts.class_features import class_features
from vlm.prompts.deep import in_layers, recorded_depth
from vlm.prompts.prompted import PromptedCLIP, visual_prompts

FIRST, DEEPER = "image_encoder.VPT", "image_encoder.transformer.resblocks.{}.VPT_shallow"  # in the reference programs


class VPTModel(PromptedCLIP):
    """Visual prompts in the first `depth` image layers; text features of `templates` that stay as they are."""

    def __init__(
        self, clip: Backbone, classnames: Sequence[str], templates: Sequence[str], n_ctx: int, depth: int
    ) -> None:
        super().__init__(clip)
        self.visual = visual_prompts(clip, n_ctx, depth)
        self.register_buffer("text", class_features(clip, classnames, templates), persistent=False)

    def visual_prompts(self) -> Tensor:
        return self.visual.vectors

    def text_features(self, image_features: Tensor) -> Tensor:
        return self.text

    def reference_parameters(self) -> Iterator[tuple[str, nn.Parameter, int | None]]:
        yield from in_layers(self.visual.vectors, FIRST, DEEPER)


@TRAINER_REGISTRY.register()
class VPT(PromptTrainer):
    section = "VPT"
    defaults = {
        "N_CTX_VISION": Option(8, "prompt vectors in the image tower", 1, MOST_VISION),
        "PROMPT_DEPTH_VISION": Option(12, "prompted layers of the image tower", 1, MOST_LAYERS),
        "TEMPLATES": Option("a photo of a {}.", TEMPLATES_HELP),
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> VPTModel:
        o = self.options
        return VPTModel(clip, classnames, self.templates(), o.N_CTX_VISION, o.PROMPT_DEPTH_VISION)

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> VPTModel:
        depth = 1 + recorded_depth(case, DEEPER)
        return VPTModel(clip, case["classnames"], ["a photo of a {}."], len(arrays[f"param/{FIRST}"]), depth)
