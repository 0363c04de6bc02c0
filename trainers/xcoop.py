"""XCoOp: prompts aligned with a clinical sentence of each class, images also read patch by patch (Bie et al., MICCAI 2024)."""

import copy
import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dassl.engine import TRAINER_REGISTRY
from dassl.optim import build_optimizer
from toolbox.options import Option
from trainers.base import TEMPLATES_HELP, Column, Recording
from trainers.biomedcoop import FILE_OPTION, SentenceTrainer
from vlm.backbone import Backbone
from vlm.prompts.prompted import PromptedCLIP, check_reads_cls, cosine_logits, initial_ctx
from vlm.towers.block import in_place, unit
from vlm.towers.text import ContextLayout
from vlm.towers.tokens import NameTokens

PATCHES = 0.01  # weight of the mean over patches beside the whole image
SHARE = 8  # M visual features times N text prompts are divided by it


class XCoOpModel(PromptedCLIP):
    """Logits r s (f + 0.01 mean p) . mean_n t_nc, with f the image, p its patches and t_nc the class's n-th text, all unit.

    Trained are N contexts a class and the LayerNorms of the image tower's blocks. The loss adds a cross-entropy of the clinical
    sentences over the learned texts, and the same on token embeddings (see `sentence_logits` and `token_logits`).

    The reference program reshapes patches so that images of a batch mix, and a prediction depends on its neighbours; here an
    image has its own. Its N contexts start equal and get equal gradients, so they stay equal.

    Args:
        clinical: one sentence a class.
        words: start every context.
        copies: N.
        visual: M, which enters r = M N / 8 alone.
        weights: of the two alignments.
        noise: deviation of what is added to the sentences' features in half of the training steps.
        max_grad_norm: see `PromptedCLIP`.
    """

    for_classes = True

    def __init__(
        self,
        clip: Backbone,
        classnames: Sequence[str],
        clinical: Sequence[str],
        words: str = "a photo of a",
        copies: int = 4,
        visual: int = 2,
        weights: tuple[float, float] = (5.0, 5.0),
        noise: float = 0.05,
        max_grad_norm: float = 0.0,
    ) -> None:
        super().__init__(clip)
        check_reads_cls(clip)
        self.weights, self.noise, self.max_grad_norm = weights, noise, max_grad_norm
        text, n_ctx = clip.text, len(clip.text.vocabulary.encode(words))
        names = NameTokens(text.vocabulary, list(classnames) * copies, n_ctx)
        self.n_cls = len(classnames)
        self.ctx = nn.Parameter(initial_ctx(clip, words, n_ctx).repeat(len(names), 1, 1))
        self.norms = nn.ModuleDict(
            {part: nn.ModuleList(_trained(getattr(block, part)) for block in clip.image.blocks) for part in NORMS}
        )
        self.layout = ContextLayout(text, names, n_ctx, per_class=True)
        self.log_share = math.log(visual * copies / SHARE)
        self.register_buffer("clinical", text.encode(clinical), persistent=False)
        self._embed_tokens(names.whole[: self.n_cls], text.pieces(clinical))

    def _embed_tokens(self, names: Sequence[Sequence[int]], clinical: Sequence[Sequence[int]]) -> None:
        """What `token_logits` needs of token embeddings: the clinical ones at the context, and all that is not learned."""
        text, n_ctx = self.clip.text, self.ctx.shape[1]
        start = [] if text.vocabulary.start is None else [text.vocabulary.start]
        at = slice(len(start), len(start) + n_ctx)
        places = text.vocabulary.context_length

        def padded(sequences: Sequence[Sequence[int]]) -> Tensor:
            rows = torch.zeros(len(sequences), places, dtype=torch.long)
            for row, tokens in zip(rows, sequences, strict=True):
                row[: len(tokens)] = torch.tensor(tokens)
            return unit(text.embed(rows).double())

        own = padded([start + [0] * n_ctx + list(name) for name in names])
        theirs = padded([[*start, *x, *text.vocabulary.closing(1 + len(x))] for x in clinical])
        own[:, at] = 0
        fixed = theirs.flatten(1) @ own.flatten(1).T
        # Padding is alike in all classes. A softmax does not see what they share, float32 would lose digits to it.
        fixed -= fixed.mean(1, keepdim=True)
        self.register_buffer("fixed_tokens", fixed.float(), persistent=False)
        self.register_buffer("clinical_tokens", theirs[:, at].float(), persistent=False)

    @property
    def frozen_images(self) -> bool:
        return False

    def log_scale(self) -> Tensor:
        return self.clip.logit_scale + self.log_share

    def image_features(self, images: Tensor) -> Tensor:
        """f + 0.01 mean p, (batch, embed_dim), not of length 1."""
        blocks = self.clip.image.blocks
        with in_place(blocks, "ln_1", self.norms["ln_1"]), in_place(blocks, "ln_2", self.norms["ln_2"]):
            tokens = self.clip.image.every_token(images)
        return tokens[:, 0] + PATCHES * tokens[:, 1:].mean(1)

    def raw_texts(self) -> Tensor:
        """(copies, n_cls, embed_dim), not of length 1."""
        return self.clip.text(self.ctx, self.layout, normalised=False).unflatten(0, (-1, self.n_cls))

    def text_features(self, image_features: Tensor) -> Tensor:
        """Mean of the copies' unit features, (n_cls, embed_dim)."""
        return unit(self.raw_texts()).mean(0)

    def loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits, parts = self.loss_parts(images, labels)
        return logits, parts[0] + self.weights[0] * parts[1] + self.weights[1] * parts[2]

    def loss_parts(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (batch, n_cls), and (3,): cross-entropies of images, of clinical sentences and of their tokens."""
        raw = self.raw_texts()
        logits = self.logits(self.image_features(images), unit(raw).mean(0))
        own = torch.arange(self.n_cls, device=logits.device)
        aligned = (self.sentence_logits(raw), self.token_logits())
        return logits, torch.stack([F.cross_entropy(logits, labels), *(F.cross_entropy(a, own) for a in aligned)])

    def sentence_logits(self, raw: Tensor) -> Tensor:
        """(n_cls, n_cls): s times the cosine of each clinical sentence (rows, with noise) to each class's mean raw text."""
        clinical = self.clinical
        if self.training and self.noise > 0:
            drawn = torch.bernoulli(torch.full((), 0.5, device=clinical.device))
            clinical = clinical + drawn * self.noise * torch.randn_like(clinical)
        return cosine_logits(clinical, unit(raw.mean(0)), self.clip.logit_scale)

    def token_logits(self) -> Tensor:
        """(n_cls, n_cls): the same of unit token embeddings, summed over all positions of the tower; up to a number a row."""
        ctx = unit(self.ctx).unflatten(0, (-1, self.n_cls)).mean(0)
        with torch.autocast(ctx.device.type, enabled=False):
            learned = self.clinical_tokens.flatten(1) @ ctx.flatten(1).T
            return self.clip.logit_scale.exp() * (learned + self.fixed_tokens)

    def reference_parameters(self) -> Iterator[tuple[str, nn.Parameter, int | None]]:
        for part, norms in self.norms.items():
            for i, norm in enumerate(norms):
                for name, parameter in norm.named_parameters():
                    yield f"image_encoder.transformer.resblocks.{i}.{part}.{name}", parameter, None
        yield "prompt_learner.ctx", self.ctx, None


NORMS = ("ln_1", "ln_2")


def _recorded(case: dict) -> list[str]:
    return [
        text.format(name) for text, name in zip(case["options"]["clinical_prompts"], case["classnames"], strict=True)
    ]


def _trained(norm: nn.Module) -> nn.Module:
    return copy.deepcopy(norm).float().requires_grad_(True)


@TRAINER_REGISTRY.register()
class XCoOp(SentenceTrainer):
    """LayerNorms learn at a tenth of the contexts' rate. A class's clinical sentence is the first that it has.

    The reference program chooses its best epoch on test images, and cuts gradients under mixed precision alone.
    """

    section = "XCOOP"
    defaults = {
        "CTX_INIT": Option("a photo of a", "words that start every context"),
        "TEXT_PROMPTS": Option(4, "N, contexts a class; they stay equal, so fewer cost less", 1, 64),
        "VISUAL_FEATURES": Option(2, "M, copies of the image's feature: logits are multiplied by M N / 8", 1, 1000),
        "W_SENTENCE": Option(5.0, "weight of the alignment with clinical sentences", 0.0, 1e6),
        "W_TOKEN": Option(5.0, "weight of the alignment with their token embeddings", 0.0, 1e6),
        "NOISE": Option(0.05, "noise on the sentences' features in half of the steps", 0.0, 1e3),
        "NORM_LR_MULT": Option(0.1, "learning rate of LayerNorms, times OPTIM.LR", 0.0, 1e3),
        "MAX_GRAD_NORM": Option(1.0, "gradients are cut to this length; 0 leaves them", 0.0, 1e6),
        "SENTENCES_FILE": FILE_OPTION,
        "TEMPLATES": Option("first", f"stand in for classes without sentences; {TEMPLATES_HELP}"),
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> XCoOpModel:
        o = self.options
        names = [name.replace("_", " ") for name in classnames]
        clinical = [f"{name}: {texts[0]}" for name, texts in zip(names, self.sentences(), strict=True)]
        weights = (float(o.W_SENTENCE), float(o.W_TOKEN))
        copies = (o.TEXT_PROMPTS, o.VISUAL_FEATURES)
        return XCoOpModel(
            clip, classnames, clinical, o.CTX_INIT, *copies, weights, float(o.NOISE), float(o.MAX_GRAD_NORM)
        )

    def make_optimizer(self) -> torch.optim.Optimizer:
        norms = {"params": list(self.model.norms.parameters()), "lr": self.cfg.OPTIM.LR * self.options.NORM_LR_MULT}
        return build_optimizer(self.model, self.cfg.OPTIM, [{"params": [self.model.ctx]}, norms])

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> XCoOpModel:
        options, names = case["options"], case["classnames"]
        copies = (options["text_prompts"], options["visual_features"])
        weights = (options["loss_weight"], options["token_loss_weight"])
        return XCoOpModel(clip, names, _recorded(case), options["ctx_init"], *copies, weights, noise=0.0)

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        """Against the reference fed one image at a time, which is what it means to compute (see `XCoOpModel`)."""
        model, arrays = recording.model(cls), recording.arrays
        mixed = "the reference mixes the patches of a batch's images"
        for name, value, *_ in recording.step(model):
            if name == "loss":
                why = "a cross-entropy of token logits around 1300, which float32 cannot tell apart below 1e-4, times 5"
                yield Column("loss_single", value, 1e-5, why)
            elif name == "logits":
                yield Column("logits_single", value)
            else:
                yield Column(name.replace("grad/", "grad_single/"), value)
            yield Column(name, None, why=mixed)
        parts = model.loss_parts(arrays["images"], arrays["labels"].long())[1].detach()
        parts[0] = arrays["loss_parts"][0]
        yield Column("loss_parts", parts, 1e-5, f"float32 as in loss_single; without the first, where {mixed}")
        yield Column("clinical_features", model.clip.text.encode(_recorded(recording.case), normalised=False))
