"""CoCoOp: a learned context that each image moves (Zhou et al., CVPR 2022)."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import MOST_TEXT, PromptTrainer
from trainers.coop import given_or_drawn_ctx
from vlm.backbone import Backbone
from vlm.prompts.chunks import BUDGET, in_chunks, kept
from vlm.prompts.prompted import PromptedCLIP
from vlm.towers.text import ContextLayout
from vlm.towers.tokens import NameTokens


class CoCoOpModel(PromptedCLIP):
    """[SOS][ctx + meta_net(f)][class].[EOT]: the image's feature f gives one bias that is added to all context vectors.

    All images of a batch pass through the text tower together; what does not depend on them is computed once.

    Args:
        ctx: (n_ctx, width).
    """

    conditional = True

    def __init__(self, clip: Backbone, classnames: Sequence[str], ctx: Tensor) -> None:
        super().__init__(clip)
        self.layout = ContextLayout(clip.text, NameTokens(clip.text.vocabulary, classnames, len(ctx)), len(ctx))
        self.ctx = nn.Parameter(ctx)
        hidden = clip.embed_dim // 16
        layers = [
            ("linear1", nn.Linear(clip.embed_dim, hidden)),
            ("relu", nn.ReLU()),
            ("linear2", nn.Linear(hidden, clip.text.width)),
        ]
        self.meta_net = nn.Sequential(OrderedDict(layers))

    def text_features(self, image_features: Tensor) -> Tensor:
        """Normalised (batch, n_cls, embed_dim), from normalised image features (batch, embed_dim)."""
        text, layout = self.clip.text, self.layout
        ctx = self.ctx + self.meta_net(image_features)[:, None]
        tokens = layout.packed.count * layout.packed.length
        images = max(1, BUDGET // kept(text, tokens, tokens))
        return in_chunks(lambda part: text(part, layout), ctx.split(images))

    def reference_parameters(self) -> Iterator[tuple[str, nn.Parameter, int | None]]:
        for name, parameter in self.named_parameters():
            yield f"prompt_learner.{name}", parameter, None


@TRAINER_REGISTRY.register()
class CoCoOp(PromptTrainer):
    section = "COCOOP"
    defaults = {
        "N_CTX": Option(16, "context vectors", 1, MOST_TEXT),
        "CTX_INIT": Option("", 'words whose embedding starts the context; "" draws it'),
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> CoCoOpModel:
        return CoCoOpModel(clip, classnames, given_or_drawn_ctx(clip, self.options.CTX_INIT, self.options.N_CTX))

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> CoCoOpModel:
        return CoCoOpModel(clip, case["classnames"], arrays["param/prompt_learner.ctx"].clone())
