"""BiomedCoOp: a context held to a language model's sentences about the classes (Koleilat et al., CVPR 2025)."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from dassl.engine import TRAINER_REGISTRY
from llm.sentences import class_sentences
from toolbox.options import Option
from trainers.base import MOST_TEXT, TEMPLATES_HELP, PromptTrainer
from trainers.coop import CoOpModel
from vlm.backbone import Backbone
from vlm.prompts.bank import means, rectangular, text_bank
from vlm.prompts.prompted import cosine_logits, initial_ctx
from vlm.towers.block import unit


class BiomedCoOpModel(CoOpModel):
    """CoOp's prompts [SOS][ctx][class].[EOT], and two terms that know the sentences of a class.

    SCCM holds a class's text feature t to the mean of its sentences; KDSP holds predictions to those of a zero-shot CLIP whose
    text features are the mean of sentences that suit the batch (see `suitable`).

    Args:
        ctx: (n_ctx, width).
        sentences: gives the sentences of each class; asked once, before the first training step, and never for testing.
        sccm, kdsp: weights of the terms.
        tau: how far from the others, in standard deviations, a sentence may score.
    """

    def __init__(
        self,
        clip: Backbone,
        classnames: Sequence[str],
        ctx: Tensor,
        sentences: Callable[[], Sequence[Sequence[str]]],
        sccm: float = 1.0,
        kdsp: float = 1.0,
        tau: float = 1.5,
    ) -> None:
        super().__init__(clip, classnames, ctx)
        self.classnames, self.sentences = list(classnames), sentences
        self.sccm, self.kdsp, self.tau = sccm, kdsp, tau
        self.register_buffer("bank", None, persistent=False)
        self.register_buffer("means", None, persistent=False)

    def train(self, mode: bool = True) -> "BiomedCoOpModel":
        if mode and self.bank is None:
            bank = text_bank(self.clip, self.classnames, self.sentences())
            self.bank, self.means = rectangular(bank), means(bank)
        return super().train(mode)

    def loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits, parts = self.loss_parts(images, labels)
        return logits, parts.sum()

    def loss_parts(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (batch, n_cls), and (3,): cross-entropy, weighted SCCM, weighted KDSP."""
        image = self.image_features(images)
        text = self.text_features(image)
        logits = cosine_logits(image, text, self.log_scale())
        teacher = cosine_logits(image, self.chosen(self.suitable(image)), self.log_scale())
        divergence = F.kl_div(logits.log_softmax(1), teacher.log_softmax(1), reduction="sum", log_target=True)
        parts = [
            F.cross_entropy(logits, labels),
            self.sccm * F.mse_loss(text, self.means),
            self.kdsp * divergence / logits.numel(),
        ]
        return logits, torch.stack(parts)

    @torch.no_grad()
    def suitable(self, image_features: Tensor) -> Tensor:
        """Which sentences (most,) a batch (batch, embed_dim) keeps: those whose score is no outlier.

        A sentence's score is the mean over images of the largest logit over classes. Where more than half of them coincide
        (a class each of one sentence, say) there is no scale to call one an outlier by, and all are kept; the reference
        program computes NaN there.
        """
        with torch.autocast(image_features.device.type, enabled=False):
            cosine = torch.einsum("be,cpe->bpc", image_features, self.bank)
            score = self.log_scale().exp() * cosine.amax(2).mean(0)
        centred = score - score.median()
        z = centred / centred.abs().median()
        z = (z - z.mean()) / z.std()
        return (z.abs() <= self.tau) | ~torch.isfinite(z)

    def chosen(self, mask: Tensor) -> Tensor:
        """Normalised mean of each class's sentences that `mask` (most,) keeps, (n_cls, embed_dim)."""
        return unit(torch.einsum("p,cpe->ce", mask.to(self.bank.dtype), self.bank))


FILE_OPTION = Option("", 'sentences by `python -m llm.sentences`; "" takes the data set\'s own of llm/sentences')


def sentences_of(trainer: PromptTrainer) -> list[list[str]]:
    """What TRAINER.<METHOD>.SENTENCES_FILE says of each class, or what the class has instead; which it is, is printed."""
    dataset = trainer.dm.dataset
    name = getattr(dataset, "name", trainer.cfg.DATASET.NAME)
    found = class_sentences(name, dataset.classnames, trainer.templates(), trainer.options.SENTENCES_FILE)
    print(f"Sentences: {found.source}")
    return found.texts


@TRAINER_REGISTRY.register()
class BiomedCoOp(PromptTrainer):
    """The CLIP trainer of the reference program. Classes without sentences fall back on what they have, which is said."""

    section = "BIOMEDCOOP"
    defaults = {
        "N_CTX": Option(4, "context vectors", 1, MOST_TEXT),
        "CTX_INIT": Option("a photo of a", "words that start a context of at most 4 vectors; longer ones are drawn"),
        "SCCM_LAMBDA": Option(1.0, "weight of the pull of text features towards the sentences' mean", 0.0, 1e6),
        "KDSP_LAMBDA": Option(1.0, "weight of the pull of predictions towards the sentences' zero-shot CLIP", 0.0, 1e6),
        "TAU": Option(1.5, "standard deviations within which a sentence's score is no outlier", 0.0, 1e6),
        "SENTENCES_FILE": FILE_OPTION,
        "TEMPLATES": Option("all", f"stand in for classes without sentences; {TEMPLATES_HELP}"),
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> BiomedCoOpModel:
        o = self.options
        weights = (float(o.SCCM_LAMBDA), float(o.KDSP_LAMBDA), float(o.TAU))
        return BiomedCoOpModel(clip, classnames, self.initial(clip, o.CTX_INIT, o.N_CTX), partial(sentences_of, self), *weights)

    @staticmethod
    def initial(clip: Backbone, words: str, n_ctx: int) -> Tensor:
        """(n_ctx, width): embeddings of the first `n_ctx` words if there are at most 4, else a draw, as in the reference."""
        return initial_ctx(clip, words if n_ctx <= 4 else "", n_ctx)

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> BiomedCoOpModel:
        options, names = case["options"], case["classnames"]
        weights = (options["sccm_lambda"], options["kdsp_lambda"], options["tau"])
        ctx = arrays["param/prompt_learner.ctx"].clone()
        bank = {name: texts[: options["n_prompts"]] for name, texts in case["bank"].items()}
        return BiomedCoOpModel(clip, names, ctx, lambda: [bank[name] for name in names], *weights)
