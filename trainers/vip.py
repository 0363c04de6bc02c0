"""ViP: classes as what their visual attributes have in common, read by a learned query each (Fang et al., MICCAI 2024)."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from dassl.engine import TRAINER_REGISTRY
from toolbox.options import Option
from trainers.base import MOST_TEXT, TEMPLATES_HELP
from trainers.biomedcoop import FILE_OPTION, SentenceTrainer
from vlm.backbone import Backbone
from vlm.prompts.prompted import PromptedCLIP, initial_ctx
from vlm.towers.block import unit
from vlm.towers.text import ContextLayout
from vlm.towers.tokens import NameTokens


class ViPModel(PromptedCLIP):
    """Text features t_c = unit(q_c + a V), a = softmax(q_c Wq (V Wk)^T / sqrt(E)).

    V (m, embed_dim) are the raw text features of the class's m phrases under a learned context, [SOS][ctx]{phrase}.[EOT],
    without its name; q_c (E) is the class's query. (The paper's towers are as wide as the joint embedding E.)

    Args:
        ctx: (n_ctx, width).
        phrases: of each class, one or more.
    """

    for_classes = True

    def __init__(self, clip: Backbone, ctx: Tensor, phrases: Sequence[Sequence[str]]) -> None:
        super().__init__(clip)
        width = clip.embed_dim
        names = NameTokens(clip.text.vocabulary, [text.rstrip(" .") for own in phrases for text in own], len(ctx))
        self.layout = ContextLayout(clip.text, names, len(ctx))
        self.ctx = nn.Parameter(ctx)
        self.queries = nn.Parameter(torch.empty(len(phrases), width).normal_(std=0.02))
        self.q_proj, self.k_proj = (nn.Linear(width, width, bias=False) for _ in range(2))
        for layer in (self.q_proj, self.k_proj):
            nn.init.xavier_normal_(layer.weight)
        owner = torch.tensor([c for c, own in enumerate(phrases) for _ in own])
        foreign = torch.arange(len(phrases))[:, None] != owner
        self.register_buffer("foreign", foreign, persistent=False)

    def text_features(self, image_features: Tensor) -> Tensor:
        V = self.clip.text(self.ctx, self.layout, normalised=False)
        scores = self.q_proj(self.queries) @ self.k_proj(V).T / V.shape[1] ** 0.5
        weights = scores.float().masked_fill(self.foreign, -torch.inf).softmax(1)
        return unit(self.queries + weights @ V)

    def reference_parameters(self) -> Iterator[tuple[str, nn.Parameter, int | None]]:
        yield "prompt_learner.ctx", self.ctx, None
        yield "learnable_token", self.queries, None
        yield "attn.q_proj.weight", self.q_proj.weight, None
        yield "attn.k_proj.weight", self.k_proj.weight, None


@TRAINER_REGISTRY.register()
class ViP(SentenceTrainer):
    """A class's phrases are the first of its sentences (see `llm.sentences`)."""

    section = "VIP"
    defaults = {
        "N_CTX": Option(4, "context vectors, drawn", 1, MOST_TEXT),
        "PHRASES": Option(6, "phrases a class at most; 0 takes all of its sentences", 0, 10_000),
        "SENTENCES_FILE": FILE_OPTION,
        "TEMPLATES": Option("all", f"stand in for classes without sentences; {TEMPLATES_HELP}"),
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> ViPModel:
        phrases = [texts[: self.options.PHRASES or None] for texts in self.sentences()]
        return ViPModel(clip, initial_ctx(clip, "", self.options.N_CTX), phrases)

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> ViPModel:
        phrases = [case["bank"][name] for name in case["classnames"]]
        return ViPModel(clip, arrays["param/prompt_learner.ctx"].clone(), phrases)
