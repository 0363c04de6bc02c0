"""CoOp: a learned context in place of "a photo of a" (Zhou et al., IJCV 2022)."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import MOST_TEXT, PromptTrainer
from vlm.backbone import Backbone
from vlm.prompts.prompted import PromptedCLIP, initial_ctx
from vlm.towers.text import ContextLayout
from vlm.towers.tokens import NameTokens


class CoOpModel(PromptedCLIP):
    """[SOS][ctx][class].[EOT] with ctx (n_ctx, width), or (n_cls, n_ctx, width) where each class has its own (CSC).

    Args:
        position: of the class name relative to the context: end, middle or front.
    """

    def __init__(
        self, clip: Backbone, classnames: Sequence[str], ctx: Tensor, position: str = "end", per_class: bool = False
    ) -> None:
        super().__init__(clip)
        names = NameTokens(clip.text.vocabulary, classnames, ctx.shape[-2])
        self.layout = ContextLayout(clip.text, names, ctx.shape[-2], position, per_class)
        self.ctx = nn.Parameter(ctx)
        self.for_classes = per_class

    def text_features(self, image_features: Tensor) -> Tensor:
        return self.clip.text(self.ctx, self.layout)

    def reference_parameters(self) -> Iterator[tuple[str, nn.Parameter, int | None]]:
        yield "prompt_learner.ctx", self.ctx, None


def given_or_drawn_ctx(clip: Backbone, words: str, n_ctx: int) -> Tensor:
    """(n_ctx, text width): all of `words`, whose number then is the context's length; without words a draw from N(0, 0.02)."""
    return initial_ctx(clip, words, len(clip.text.vocabulary.encode(words.replace("_", " "))) or n_ctx)


@TRAINER_REGISTRY.register()
class CoOp(PromptTrainer):
    section = "COOP"
    defaults = {
        "N_CTX": Option(16, "context vectors", 1, MOST_TEXT),
        "CSC": Option(False, "a context of its own for each class"),
        "CTX_INIT": Option("", 'words whose embedding starts the context; "" draws it'),
        "CLASS_TOKEN_POSITION": Option(
            "end", "where the class name stands in the context", choices=("end", "middle", "front")
        ),
    }

    @property
    def needs_every_class(self) -> bool:
        """A class's own context learns from its images."""
        return self.options.CSC

    def make_model(self, clip: Backbone, classnames: list[str]) -> CoOpModel:
        o = self.options
        if o.CSC:
            ctx = torch.stack([given_or_drawn_ctx(clip, o.CTX_INIT, o.N_CTX) for _ in classnames])
        else:
            ctx = given_or_drawn_ctx(clip, o.CTX_INIT, o.N_CTX)
        return CoOpModel(clip, classnames, ctx, o.CLASS_TOKEN_POSITION, o.CSC)

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> CoOpModel:
        options, ctx = case.get("options", {}), arrays["param/prompt_learner.ctx"]
        position = options.get("pos", "end")
        return CoOpModel(clip, case["classnames"], ctx.clone(), position, options.get("csc", False))
