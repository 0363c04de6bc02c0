"""BiomedCoOp: a context held to a language model's sentences about the classes (Koleilat et al., CVPR 2025)."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from yacs.config import CfgNode

from dassl.engine import TRAINER_REGISTRY
from llm.sentences import class_sentences
from toolbox.options import Option
from toolbox.seals import digest
from trainers.base import MOST_TEXT, TEMPLATES_HELP, Column, PromptTrainer, Recording
from trainers.coop import CoOpModel
from vlm.backbone import Backbone
from vlm.prompts.bank import means, rectangular, text_bank
from vlm.prompts.prompted import initial_ctx
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
        logits = self.logits(image, text)
        teacher = self.logits(image, self.chosen(self.suitable(image)))
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
        z = z - z.mean()
        z = z / (z.square().sum() / max(len(z) - 1, 1)).sqrt()
        return (z.abs() <= self.tau) | ~torch.isfinite(z)

    def chosen(self, mask: Tensor) -> Tensor:
        """Normalised mean of each class's sentences that `mask` (most,) keeps, (n_cls, embed_dim)."""
        return unit(torch.einsum("p,cpe->ce", mask.to(self.bank.dtype), self.bank))


# Weights of SCCM and KDSP, and tau, that the authors chose by data set.
PUBLISHED = {
    "few_shot": {
        "btmri": (0.5, 0.25, 1.5),
        "busi": (0.75, 0.75, 1.5),
        "chmnist": (0.25, 0.25, 1.5),
        "covid_19": (0.5, 2.0, 1.5),
        "ctkidney": (1.0, 0.5, 1.5),
        "dermamnist": (5.0, 20.0, 1.5),
        "kneexray": (5.0, 20.0, 1.75),
        "kvasir": (0.75, 0.75, 1.5),
        "lungcolon": (0.5, 0.5, 1.5),
        "octmnist": (1.0, 0.75, 1.5),
        "retina": (0.25, 0.25, 1.5),
    },
    "base_to_new": {
        "btmri": (0.5, 0.5, 1.25),
        "chmnist": (10.0, 1.0, 1.5),
        "covid_19": (20.0, 1.0, 1.25),
        "ctkidney": (10.0, 0.25, 1.25),
        "dermamnist": (2.0, 0.5, 1.5),
        "kneexray": (0.25, 3.0, 1.25),
        "kvasir": (1.0, 1.0, 1.25),
        "lungcolon": (0.25, 0.75, 1.25),
        "octmnist": (0.75, 0.5, 1.5),
        "retina": (5.0, 1.0, 2.0),
    },
}

FILE_OPTION = Option("", 'sentences by `python -m cilmp llm sentences`; "" takes the data set\'s own of llm/sentences')


class SentenceTrainer(PromptTrainer):
    """Methods that need sentences of each class, or what a class has instead: options SENTENCES_FILE and TEMPLATES."""

    def sentences(self) -> list[list[str]]:
        """Of each class, one or more; where they are from is printed."""
        found = class_sentences(
            self.data_name, self.dm.dataset.classnames, self.templates(), self.options.SENTENCES_FILE
        )
        print(f"Sentences: {found.source}")
        return found.texts

    @property
    def data_name(self) -> str:
        """The data set's name in llm/sentences and llm/descriptions."""
        return getattr(self.dm.dataset, "name", self.cfg.DATASET.NAME).lower()

    @classmethod
    def hashes(cls, cfg: CfgNode, dataset: str, classnames: Sequence[str], trained_in: Path | None) -> dict[str, str]:
        return {
            "sentences": digest(class_sentences(dataset, classnames, [], cfg.TRAINER[cls.section].SENTENCES_FILE).texts)
        }


@TRAINER_REGISTRY.register()
class BiomedCoOp(SentenceTrainer):
    """The CLIP trainer of the reference program. Classes without sentences fall back on what they have, which is said."""

    section = "BIOMEDCOOP"
    defaults = {
        "N_CTX": Option(4, "context vectors", 1, MOST_TEXT),
        "CTX_INIT": Option("a photo of a", "words that start a context of at most 4 vectors; longer ones are drawn"),
        "SCCM_LAMBDA": Option(1.0, "weight of the pull of text features towards the sentences' mean", 0.0, 1e6),
        "KDSP_LAMBDA": Option(1.0, "weight of the pull of predictions towards the sentences' zero-shot CLIP", 0.0, 1e6),
        "TAU": Option(1.5, "standard deviations within which a sentence's score is no outlier", 0.0, 1e6),
        "PUBLISHED": Option(
            "", "take the three before it as published for this data set, if they are", choices=("", *PUBLISHED)
        ),
        "SENTENCES_FILE": FILE_OPTION,
        "TEMPLATES": Option("all", f"stand in for classes without sentences; {TEMPLATES_HELP}"),
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> BiomedCoOpModel:
        o = self.options
        weights = (float(o.SCCM_LAMBDA), float(o.KDSP_LAMBDA), float(o.TAU))
        weights = PUBLISHED.get(o.PUBLISHED, {}).get(self.data_name.rpartition("/")[2], weights)
        print("SCCM_LAMBDA {}, KDSP_LAMBDA {}, TAU {}".format(*weights))
        return BiomedCoOpModel(clip, classnames, self.initial(clip, o.CTX_INIT, o.N_CTX), self.sentences, *weights)

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

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        model, arrays = recording.model(cls), recording.arrays
        yield from recording.step(model)
        image = model.image_features(arrays["images"])
        mask = model.suitable(image)
        yield Column("loss_parts", model.loss_parts(arrays["images"], arrays["labels"].long())[1])
        texts = [text for own in model.sentences() for text in own]
        yield Column("bank_features", model.clip.text.encode(texts, normalised=False))
        yield Column("selected_mask", mask)
        yield Column("selected_features", model.chosen(mask))
        yield Column("zero_shot_logits", model.logits(image, model.chosen(mask)))
