"""IVLP: independent deep prompts in the image and the text tower (the baseline of MaPLe, CVPR 2023)."""

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import MOST_LAYERS, MOST_TEXT, MOST_VISION, PromptTrainer
from trainers.vpt import DEEPER, FIRST
from vlm.backbone import Backbone
from vlm.prompts.deep import DeepText, in_layers, recorded_depth, recorded_words
from vlm.prompts.prompted import PromptedCLIP, visual_prompts

TEXT_FIRST, TEXT_DEEPER = "prompt_learner.ctx", "text_encoder.transformer.resblocks.{}.VPT_shallow"  # in the reference


class IVLPModel(PromptedCLIP):
    """Prompts of their own in each prompted layer of each tower.

    Args:
        ctx_init: words that start the text context; see `vlm.prompts.deep.DeepText`.
        n_ctx_text, n_ctx_vision: prompt vectors in each tower.
        depth_text, depth_vision: prompted layers; a `depth_vision` of 0 leaves the image tower alone.
    """

    def __init__(
        self,
        clip: Backbone,
        classnames: Sequence[str],
        ctx_init: str,
        n_ctx_text: int,
        n_ctx_vision: int,
        depth_text: int,
        depth_vision: int,
    ) -> None:
        super().__init__(clip)
        self.text = DeepText(clip, classnames, ctx_init, n_ctx_text, depth_text)
        self.visual = visual_prompts(clip, n_ctx_vision, depth_vision) if depth_vision else None

    def visual_prompts(self) -> Tensor | tuple:
        return self.visual.vectors if self.visual is not None else ()

    def text_features(self, image_features: Tensor) -> Tensor:
        return self.text()

    def reference_parameters(self) -> Iterator[tuple[str, nn.Parameter, int | None]]:
        yield from in_layers(self.text.vectors, TEXT_FIRST, TEXT_DEEPER)
        if self.visual is not None:
            yield from in_layers(self.visual.vectors, FIRST, DEEPER)


@TRAINER_REGISTRY.register()
class IVLP(PromptTrainer):
    section = "IVLP"
    folder = "VLPromptLearner"
    defaults = {
        "N_CTX_TEXT": Option(2, "context vectors in the text tower", 1, MOST_TEXT),
        "N_CTX_VISION": Option(2, "prompt vectors in the image tower", 0, MOST_VISION),
        "CTX_INIT": Option("a photo of a", "words whose embedding starts the context"),
        "PROMPT_DEPTH_TEXT": Option(9, "prompted layers of the text tower", 1, MOST_LAYERS),
        "PROMPT_DEPTH_VISION": Option(9, "prompted layers of the image tower; 0 prompts text alone", 0, MOST_LAYERS),
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> IVLPModel:
        return IVLPModel(clip, classnames, **self.depths())

    def depths(self) -> dict:
        """The model's arguments of these names in the configuration."""
        o = self.options
        return {
            "ctx_init": o.CTX_INIT,
            "n_ctx_text": o.N_CTX_TEXT,
            "n_ctx_vision": o.N_CTX_VISION,
            "depth_text": o.PROMPT_DEPTH_TEXT,
            "depth_vision": o.PROMPT_DEPTH_VISION,
        }

    @staticmethod
    def recorded_depths(clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> dict:
        """The same arguments, read off a recording's arrays."""
        n_ctx, visual = len(arrays[f"param/{TEXT_FIRST}"]), arrays.get(f"param/{FIRST}")
        return {
            "ctx_init": recorded_words(clip, case, arrays),
            "n_ctx_text": n_ctx,
            "n_ctx_vision": 0 if visual is None else len(visual),
            "depth_text": 1 + recorded_depth(case, TEXT_DEEPER),
            "depth_vision": 0 if visual is None else 1 + recorded_depth(case, DEEPER),
        }

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> IVLPModel:
        return IVLPModel(clip, case["classnames"], **cls.recorded_depths(clip, case, arrays))
