"""CILMP: prompts from a language model's knowledge of a class, conditioned on the image (arXiv 2511.12639, IEEE TMI 2025).

The text branch is `vlm.prompts.conditional`, the equations are in `vlm.prompts.intervention`, rows come from `llm`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor, nn

from dassl.engine import TRAINER_REGISTRY
from llm.control import control_rows
from llm.store import embedded_rows, load_rows, read_store
from llm.used import FILE, UsedRows, check_same_store, kept_rows
from trainers.base import PromptTrainer
from vlm.backbone import Backbone
from vlm.prompts.averaging import GaussianAverage
from vlm.prompts.conditional import ConditionalText
from vlm.prompts.conditional_bert import ConditionalBert
from vlm.prompts.prompted import PromptedCLIP, initial_ctx, visual_prompts
from vlm.towers.tokens import NameTokens

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
        **intervention,
    ) -> None:
        super().__init__(clip)
        names = NameTokens(clip.text.vocabulary, classnames, [n_ctx_text + len(r) for r in rows])
        self.visual = visual_prompts(clip, n_ctx_vision, depth_vision)
        ctx = initial_ctx(clip, ctx_init, n_ctx_text)
        text = ConditionalText if clip.text.causal else ConditionalBert
        self.text = text(clip.text, rows, names, ctx, depth_text, embed_dim=clip.embed_dim, **intervention)

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
        "N_CTX_TEXT": 4,
        "N_CTX_VISION": 4,
        "CTX_INIT": "a photo of a",
        "PROMPT_DEPTH_TEXT": 12,
        "PROMPT_DEPTH_VISION": 12,
        "PREFIX_LENGTH": 4,
        "SUFFIX_LENGTH": 4,
        "LOW_RANK": 8,
        "DROPOUT": 0.1,
        "DROPOUT_PER_IMAGE": False,  # a mask an image as in the reference, instead of one a batch
        "ROWS": "real",  # or a control: shuffled (rows of another class), random, none
        "ROWS_FILE": "",  # rows by `python -m llm.extract`; "" takes the embedded ones of the data set
        "GPA": True,  # Gaussian prompt averaging over the epochs, of context and visual prompts
        "GPA_MEAN": 100.0,
        "GPA_STD": 30.0,
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> CILMPModel:
        o = self.options
        rows = self._rows(classnames)
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
        return {"rows": kept.id["sha256"] if kept else read_store(cls._store(o, dataset)).meta["sha256"]}

    @staticmethod
    def _kept(options, trained_in: Path | None) -> list[Path | str | None]:
        return [trained_in and trained_in / FILE, options.ROWS_FILE]

    @staticmethod
    def _store(options, dataset: str) -> Path:
        return Path(options.ROWS_FILE) if options.ROWS_FILE else embedded_rows(dataset)

    def _rows(self, classnames: list[str]) -> list[Tensor]:
        """Rows of the classes, or the control that TRAINER.CILMP.ROWS asks for; those that the trained run kept come first."""
        kind, places = self.options.ROWS, self._kept(self.options, self.trained_in)
        self.rows_used = kept_rows(places, classnames, kind) or self._from_store(classnames, kind)
        self.rows_id, rows = self.rows_used.id, self.rows_used.rows
        print(f"Rows: {kind}, {len(rows)} classes, {len(rows[0])} x {rows[0].shape[1]}, {self.rows_id['model']}")
        return [r[:0] for r in rows] if kind == "none" else rows

    def _from_store(self, classnames: list[str], kind: str) -> UsedRows:
        path = self._store(self.options, self.dm.dataset.name)
        meta = read_store(path).meta
        check_same_store(self.trained_in, path, meta)
        rows = load_rows(path, classnames)
        used = {"file": path.name, "sha256": meta["sha256"], "kind": kind, "model": meta.get("model", path.name)}
        return UsedRows(rows if kind == "none" else control_rows(kind, rows, max(self.cfg.SEED, 0)), used)

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
