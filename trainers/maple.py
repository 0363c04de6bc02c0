"""MaPLe: text prompts in several layers, and visual prompts that are projected from them (Khattak et al., CVPR 2023)."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import MOST_LAYERS, MOST_TEXT, PromptTrainer
from vlm.backbone import Backbone
from vlm.prompts.deep import DeepText, recorded_depth, recorded_words
from vlm.prompts.prompted import PromptedCLIP, check_depth, check_takes_prompts

# Names in the reference program; deeper layers are counted from 0 there.
PROMPT = "prompt_learner.compound_prompts_text.{}"
PROJECTION = "prompt_learner.compound_prompt_projections.{}."


class MaPLeModel(PromptedCLIP):
    """Layer j's text prompts P_j (n_ctx, T), and its visual prompts P_j W_j^T + b_j (n_ctx, vision width).

    Args:
        ctx_init: words that start the text context; see `vlm.prompts.deep.DeepText`.
        n_ctx: prompt vectors in each tower.
        depth: prompted layers of both towers.

    Raises:
        UserError: the image tower takes no prompts (a ResNet), or a tower is not as deep.
    """

    def __init__(self, clip: Backbone, classnames: Sequence[str], ctx_init: str, n_ctx: int, depth: int) -> None:
        super().__init__(clip)
        check_takes_prompts(clip)
        check_depth(depth, clip.image.depth, "vision")
        self.text = DeepText(clip, classnames, ctx_init, n_ctx, depth)
        # As in the reference program, all deeper projections start from one and the same draw.
        first, deeper = (nn.Linear(clip.text.width, clip.image.width) for _ in range(2))
        layers = [first] + [deeper] * (depth - 1)
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))

    def visual_prompts(self) -> Tensor:
        return torch.baddbmm(self.bias[:, None], self.text.vectors, self.weight.mT)

    def text_features(self, image_features: Tensor) -> Tensor:
        return self.text()

    def reference_parameters(self) -> Iterator[tuple[str, nn.Parameter, int | None]]:
        yield "prompt_learner.proj.weight", self.weight, 0
        yield "prompt_learner.proj.bias", self.bias, 0
        yield "prompt_learner.ctx", self.text.vectors, 0
        for i in range(1, len(self.weight)):
            yield PROMPT.format(i - 1), self.text.vectors, i
            yield PROJECTION.format(i - 1) + "weight", self.weight, i
            yield PROJECTION.format(i - 1) + "bias", self.bias, i


@TRAINER_REGISTRY.register()
class MaPLe(PromptTrainer):
    section = "MAPLE"
    folder = "MultiModalPromptLearner"
    defaults = {
        "N_CTX": Option(2, "prompt vectors in both towers", 1, MOST_TEXT),
        "CTX_INIT": Option("a photo of a", "words whose embedding starts the context"),
        "PROMPT_DEPTH": Option(9, "prompted layers of both towers", 1, MOST_LAYERS),
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> MaPLeModel:
        o = self.options
        return MaPLeModel(clip, classnames, o.CTX_INIT, o.N_CTX, o.PROMPT_DEPTH)

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> MaPLeModel:
        n_ctx, depth = len(arrays["param/prompt_learner.ctx"]), 1 + recorded_depth(case, PROMPT)
        return MaPLeModel(clip, case["classnames"], recorded_words(clip, case, arrays), n_ctx, depth)
