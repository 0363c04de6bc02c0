"""CILMP: prompts from a language model's knowledge of a class, conditioned on the image (arXiv 2511.12639, IEEE TMI 2025).

The text branch is `vlm.prompts.conditional`, the equations are in `vlm.prompts.intervention`, rows come from `llm`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from dassl.engine import TRAINER_REGISTRY
from llm.control import KINDS, control_rows
from llm.lookup import find_rows
from llm.question import plain_words
from llm.scaling import KINDS as SCALINGS
from llm.scaling import RowScaling, row_scaling
from llm.store import class_key, load_rows, read_store
from llm.used import FILE, UsedRows, check_same_store, kept_rows
from toolbox.options import Option
from toolbox.seals import digest
from trainers.base import MOST_LAYERS, MOST_TEXT, MOST_VISION, PromptTrainer
from vlm.backbone import Backbone
from vlm.prompts.averaging import GaussianAverage
from vlm.prompts.class_features import class_features
from vlm.prompts.conditional import ConditionalText
from vlm.prompts.prompted import PromptedCLIP, initial_ctx, visual_prompts
from vlm.prompts.rows import RowBatch
from vlm.towers.tokens import NameTokens

MOST_ROWS, MOST_RANK = 1000, 10_000

# Names in the reference program of an intervention's parts.
PARTS = {
    "rotate": "rotate_layer.weight",
    "source": "learned_source.weight",
    "source_bias": "learned_source.bias",
    "U1": "image_feature_learned_weight.0.weight",
    "a1": "image_feature_learned_weight.0.bias",
    "U2": "image_feature_learned_weight.1.weight",
    "a2": "image_feature_learned_weight.1.bias",
}


class CILMPModel(PromptedCLIP):
    """Deep visual prompts, and text prompts with language-model rows that each image intervenes on.

    Args:
        rows: one (L_c, D) tensor a class.
        ctx_init: words whose embedding starts the context.
        n_ctx_text, n_ctx_vision: prompt vectors in each tower.
        depth_text, depth_vision: prompted layers in each tower.
        scaling: how rows are scaled, by statistics that are part of what is saved and loaded; None leaves them as they are.
        intervention: further arguments of `ConditionalText`.
    """

    conditional = True

    def __init__(
        self,
        clip: Backbone,
        classnames: Sequence[str],
        rows: Sequence[Tensor],
        ctx_init: str,
        n_ctx_text: int,
        n_ctx_vision: int,
        depth_text: int,
        depth_vision: int,
        scaling: RowScaling | None = None,
        **intervention,
    ) -> None:
        super().__init__(clip)
        self.scaling = scaling
        if scaling is not None:
            self.unscaled = rows
            rows = scaling(rows)
            self.register_load_state_dict_post_hook(CILMPModel._scale_again)
        names = NameTokens(clip.text.vocabulary, classnames, [n_ctx_text + len(r) for r in rows])
        self.visual = visual_prompts(clip, n_ctx_vision, depth_vision)
        ctx = initial_ctx(clip, ctx_init, n_ctx_text)
        self.text = ConditionalText(clip.text, rows, names, ctx, depth_text, embed_dim=clip.embed_dim, **intervention)

    def _scale_again(self, _) -> None:
        """Loading brings the statistics of the classes that were trained on."""
        rows = [r.to(self.text.rows.middle.device) for r in self.scaling(self.unscaled)]
        self.text.rows = RowBatch.cut(rows, self.text.rows.prefix.shape[1], self.text.rows.suffix.shape[1])

    def make_room(self, state: Mapping[str, Tensor]) -> None:
        if self.scaling is not None and "scaling.mean" in state:
            self.scaling.make_room(len(state["scaling.mean"]))

    def about(self) -> dict[str, str]:
        return {} if self.scaling is None else {"rows_scaling": json.dumps(self.scaling.summary())}

    def visual_prompts(self) -> Tensor:
        return self.visual.vectors

    def text_features(self, image_features: Tensor) -> Tensor:
        return self.text(image_features)

    def reference_parameters(self) -> Iterator[tuple[str, nn.Parameter, int | None]]:
        text, visual = self.text, self.visual.vectors
        for i in range(len(visual)):
            yield f"image_encoder.{f'transformer.resblocks.{i}.VPT_shallow' if i else 'VPT'}", visual, i
        for i in range(text.depth):
            block = f"text_encoder.transformer.resblocks.{i}." if i else "prompt_learner."
            yield block + ("VPT_shallow" if i else "ctx"), text.ctx, i
            for end in ("prefix", "suffix"):
                for ours, theirs in PARTS.items():
                    yield f"{block}{end}_intervention.{theirs}", getattr(getattr(text, end), ours), i
            yield f"{block}lora_proj.lora_A", text.projection.A, i
            yield f"{block}lora_proj.lora_B", text.projection.B, i


@TRAINER_REGISTRY.register()
class CILMP(PromptTrainer):
    section = "CILMP"
    folder = "VLPromptLearner"
    defaults = {
        "N_CTX_TEXT": Option(4, "context vectors in the text tower", 1, MOST_TEXT),
        "N_CTX_VISION": Option(4, "prompt vectors in the image tower", 1, MOST_VISION),
        "CTX_INIT": Option("a photo of a", "words whose embedding starts the context"),
        "PROMPT_DEPTH_TEXT": Option(12, "prompted layers of the text tower", 1, MOST_LAYERS),
        "PROMPT_DEPTH_VISION": Option(12, "prompted layers of the image tower", 1, MOST_LAYERS),
        "PREFIX_LENGTH": Option(4, "first rows that the image intervenes on", 0, MOST_ROWS),
        "SUFFIX_LENGTH": Option(4, "last rows that the image intervenes on", 0, MOST_ROWS),
        "LOW_RANK": Option(8, "rank of interventions and projections", 1, MOST_RANK),
        "DROPOUT": Option(0.1, "share of an intervention's output that training drops", 0.0, 0.99),
        "DROPOUT_PER_IMAGE": Option(False, "a mask an image as in the reference, instead of one a batch"),
        "ROWS": Option("real", "rows as they are, or a control (llm.control)", choices=KINDS),
        "ROWS_SCALING": Option(
            "none",
            "centred: less what the training classes' rows have in common (llm.scaling; not in the paper)",
            choices=SCALINGS,
        ),
        "ROWS_FILE": Option(
            "", 'rows by `python -m cilmp llm extract`; "": the data set\'s own, embedded or in output/llm'
        ),
        "GPA": Option(True, "Gaussian averaging of context and visual prompts over the epochs"),
        "GPA_MEAN": Option(100.0, "epoch that weighs most in that average", 0.0, 1e6),
        "GPA_STD": Option(30.0, "width of that average in epochs", 1e-3, 1e6),
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> CILMPModel:
        o = self.options
        rows = self._rows(clip)
        ends = (0, 0) if o.ROWS == "none" else (o.PREFIX_LENGTH, o.SUFFIX_LENGTH)
        return CILMPModel(
            clip,
            classnames,
            rows,
            ctx_init=o.CTX_INIT,
            n_ctx_text=o.N_CTX_TEXT,
            n_ctx_vision=o.N_CTX_VISION,
            depth_text=o.PROMPT_DEPTH_TEXT,
            depth_vision=o.PROMPT_DEPTH_VISION,
            scaling=row_scaling(o.ROWS_SCALING, rows),
            prefix=ends[0],
            suffix=ends[1],
            rank=o.LOW_RANK,
            dropout=o.DROPOUT,
            dropout_per_image=o.DROPOUT_PER_IMAGE,
        )

    @classmethod
    def hashes(cls, cfg, dataset: str, classnames: Sequence[str], trained_in: Path | None) -> dict[str, str]:
        o = cfg.TRAINER.CILMP
        kept = kept_rows(cls._kept(o, trained_in), classnames, o.ROWS)
        if kept:
            return {"rows": kept.id["sha256"]}
        meta = read_store(cls._store(o, dataset, classnames)).meta
        plain = {"plain words": digest(plain_words(meta.get("dataset", dataset)))} if o.ROWS == "planted" else {}
        return {"rows": meta["sha256"], **plain}

    @staticmethod
    def _kept(options, trained_in: Path | None) -> list[Path | str | None]:
        return [trained_in and trained_in / FILE, options.ROWS_FILE]

    @staticmethod
    def _store(options, dataset: str, classnames: Sequence[str]) -> Path:
        return Path(options.ROWS_FILE) if options.ROWS_FILE else find_rows(dataset, classnames)

    def _rows(self, clip: Backbone) -> list[Tensor]:
        """Rows of the classes, or the control that TRAINER.CILMP.ROWS asks for; those that the trained run kept come first."""
        kind, places, names = self.options.ROWS, self._kept(self.options, self.trained_in), self.dm.dataset.classnames
        self.rows_used = kept_rows(places, names, kind) or self._from_store(clip, names, kind)
        self.rows_id, rows = {**self.rows_used.id, "scaling": self.options.ROWS_SCALING}, self.rows_used.rows
        print(f"Rows: {kind}, {len(rows)} classes, {len(rows[0])} x {rows[0].shape[1]}, {self.rows_id['model']}")
        return [r[:0] for r in rows] if kind == "none" else rows

    def _from_store(self, clip: Backbone, classnames: list[str], kind: str) -> UsedRows:
        path = self._store(self.options, self.dm.dataset.name, classnames)
        real, store = load_rows(path, classnames), read_store(path)
        check_same_store(self.trained_in, path, store.meta)
        used = {
            "file": path.name,
            "sha256": store.meta["sha256"],
            "kind": kind,
            "model": store.meta.get("model", path.name),
        }
        if kind in ("real", "none"):
            return UsedRows(real, used)
        every = {name: rows.float() for name, rows in store.rows.items()}
        features = self._planted(clip, store.meta.get("dataset", self.dm.dataset.name)) if kind == "planted" else None
        names, texts = [class_key(name) for name in classnames], store.meta.get("answers")
        return UsedRows(control_rows(kind, every, names, max(self.cfg.SEED, 0), texts, features), used)

    @staticmethod
    @torch.no_grad()
    def _planted(clip: Backbone, dataset: str) -> dict[str, Tensor]:
        """The CLIP's text feature (embed_dim,) of each class in plain words."""
        plain = plain_words(dataset)
        features = class_features(clip, list(plain.values()), ["a photo of a {}."])
        return dict(zip(plain, features.float().cpu(), strict=True))

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> CILMPModel:
        return CILMPModel(
            clip,
            case["classnames"],
            [arrays[f"llm/{c}"].float() for c in range(len(case["classnames"]))],
            ctx_init="",
            n_ctx_text=case["n_ctx_text"],
            n_ctx_vision=case["n_ctx_vision"],
            depth_text=case["prompt_depth_text"],
            depth_vision=case["prompt_depth_vision"],
            prefix=case["prefix_length"],
            suffix=case["suffix_length"],
            rank=case["low_rank"],
            dropout=0.0,
        )

    def average(self) -> GaussianAverage | None:
        o = self.options
        if not o.GPA:
            return None
        averaged = [("ctx", self.model.text.ctx), ("visual", self.model.visual.vectors)]
        return GaussianAverage(averaged, self.cfg.OPTIM.MAX_EPOCH, o.GPA_MEAN, o.GPA_STD)
