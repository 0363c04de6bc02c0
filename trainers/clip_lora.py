"""CLIPLoRA: low-rank updates of the attention in both towers, no prompts (CLIP-LoRA; Zanella and Ben Ayed, CVPRW 2024)."""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

from dassl.engine import TRAINER_REGISTRY
from toolbox.errors import UserError
from toolbox.options import Option
from trainers.base import TEMPLATES_HELP, Column, PromptTrainer, Recording
from vlm.backbone import Backbone
from vlm.prompts.prompted import PromptedCLIP, check_takes_prompts
from vlm.towers.block import in_place
from vlm.towers.low_rank import PARTS, LowRank, LowRankProjections
from vlm.towers.text import ContextLayout

POSITIONS = {  # of layers, as shares of the tower from the input on
    "all": (0, 1),
    "bottom": (0, 1 / 3),
    "mid": (1 / 3, 2 / 3),
    "up": (2 / 3, 1),
    "half-bottom": (0, 1 / 2),
    "half-up": (1 / 2, 1),
    "top3": (-3, 1),
}


class TowerUpdates(nn.Module):
    """Low-rank updates of some layers of a tower.

    Args:
        blocks: the tower's layers.
        position: which of them, a key of `POSITIONS`.
        parts: which projections, of q, k, v and o (output).
        made: arguments of `LowRank`.
    """

    def __init__(self, blocks: Sequence[nn.Module], position: str, parts: str, **made) -> None:
        super().__init__()
        first, last = POSITIONS[position]
        depth = len(blocks)
        self.at = range(max(depth + first, 0) if first < 0 else round(first * depth), round(last * depth))
        self.blocks = [blocks[i] for i in self.at]  # a list: frozen, and no part of this module
        read = [part for part in PARTS if part in parts]
        widths = [block.width for block in self.blocks]
        self.inside = nn.ModuleList(LowRankProjections(read, width, **made) for width in widths if read)
        self.outside = nn.ModuleList(LowRank(width, **made) for width in widths if "o" in parts)

    def put_in(self) -> AbstractContextManager:
        """The tower with its updates, for as long as the context lasts."""
        stack = ExitStack()
        for part, modules in (("beside_in", self.inside), ("beside_out", self.outside)):
            if modules:
                stack.enter_context(in_place(self.blocks, part, modules))
        return stack

    def reference_parameters(self, tower: str) -> Iterator[tuple[str, nn.Parameter, int | None]]:
        for n, i in enumerate(self.at):
            found = {f"{p}_proj": update for p, update in self.inside[n].updates.items()} if self.inside else {}
            found |= {"proj": self.outside[n]} if self.outside else {}
            for projection, update in found.items():
                for name, parameter in update.named_parameters():
                    yield f"{tower}resblocks.{i}.attn.{projection}.w_lora_{name}", parameter, None


class CLIPLoRAModel(PromptedCLIP):
    """Cosines of hand-written prompts and images, both towers with W + k B A for their attention's projections W.

    Args:
        template: the hand-written prompt, with one {}.
        encoder: which tower is updated: text, vision or both.
        logit_scale: what cosines are multiplied by; 0 takes the backbone's own.
        updates: arguments of `TowerUpdates`.

    Raises:
        UserError: the image tower is to be updated and is a ResNet, or a prompt does not fit the text tower.
    """

    def __init__(
        self,
        clip: Backbone,
        classnames: Sequence[str],
        template: str,
        encoder: str = "both",
        logit_scale: float = 100.0,
        **updates,
    ) -> None:
        super().__init__(clip)
        self.image = self.text = None
        if encoder != "text":
            check_takes_prompts(clip)
            self.image = TowerUpdates(clip.image.blocks, **updates)
        if encoder != "vision":
            clip.text.check_layers()
            self.text = TowerUpdates(clip.text.blocks, **updates)
        texts = [template.replace("{}", name.replace("_", " ")) for name in classnames]
        self.layout = ContextLayout.plain(clip.text, clip.text.pieces(texts))
        log_scale = torch.tensor(math.log(logit_scale)) if logit_scale else clip.logit_scale.detach().clone()
        self.register_buffer("fixed_scale", log_scale, persistent=False)

    @property
    def frozen_images(self) -> bool:
        return self.image is None

    def log_scale(self) -> Tensor:
        return self.fixed_scale

    def image_features(self, images: Tensor) -> Tensor:
        if self.image is None:
            return super().image_features(images)
        with self.image.put_in():
            return self.clip.image(images)

    def text_features(self, image_features: Tensor) -> Tensor:
        text = self.clip.text
        with self.text.put_in() if self.text is not None else ExitStack():
            return text(text.embed([]), self.layout)

    def reference_parameters(self) -> Iterator[tuple[str, nn.Parameter, int | None]]:
        for updates, tower in ((self.image, "visual.transformer."), (self.text, "transformer.")):
            if updates is not None:
                yield from updates.reference_parameters(tower)


@TRAINER_REGISTRY.register()
class CLIPLoRA(PromptTrainer):
    """The learning rate falls as a cosine over steps to 1e-6, without warm-up, and the last step's weights are tested.

    As published, training takes 500 steps a shot whatever the data set; here they are rounded up to whole epochs.
    """

    section = "CLIPLORA"
    folder = "lora"
    schedule_by = "step"
    recorded_as = ("CLIP-LoRA",)
    defaults = {
        "R": Option(2, "rank of an update", 1, 10_000),
        "ALPHA": Option(1.0, "updates are multiplied by alpha / sqrt(r)", 0.0, 1e6),
        "DROPOUT": Option(0.25, "share of an update's input that training drops", 0.0, 0.99),
        "ENCODER": Option("both", "towers that are updated", choices=("both", "text", "vision")),
        "PARAMS": Option("qkv", "projections that are updated: some of q, k, v and o (output)"),
        "POSITION": Option("all", "layers that are updated", choices=tuple(POSITIONS)),
        "LOGIT_SCALE": Option(100.0, "what cosines are multiplied by; 0 takes the backbone's own", 0.0, 1e6),
        "STEPS_A_SHOT": Option(
            500, "training steps for each of DATASET.NUM_SHOTS; 0, or no shots, trains OPTIM.MAX_EPOCH epochs", 0, 10**6
        ),
        "TEMPLATES": Option("first", f"the first of them is taken; {TEMPLATES_HELP}"),
    }

    def make_model(self, clip: Backbone, classnames: list[str]) -> CLIPLoRAModel:
        o = self.options
        if not o.PARAMS or set(o.PARAMS) - set("qkvo"):
            raise UserError(f"TRAINER.CLIPLORA.PARAMS is {o.PARAMS!r}: give some of the letters q, k, v and o")
        return CLIPLoRAModel(
            clip,
            classnames,
            self.templates()[0],
            o.ENCODER,
            float(o.LOGIT_SCALE),
            position=o.POSITION,
            parts=o.PARAMS,
            rank=o.R,
            scale=o.ALPHA / math.sqrt(o.R),
            dropout=float(o.DROPOUT),
        )

    def make_schedule(self) -> LRScheduler:
        steps = 1 if self.named is not None else max(1, len(self.train_loader_x))
        if self.options.STEPS_A_SHOT and self.cfg.DATASET.NUM_SHOTS > 0:
            self.max_epoch = math.ceil(self.options.STEPS_A_SHOT * self.cfg.DATASET.NUM_SHOTS / steps)
        return CosineAnnealingLR(self.optim, self.max_epoch * steps, eta_min=1e-6)

    @classmethod
    def from_recording(cls, clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> CLIPLoRAModel:
        options = case["options"]
        updates = {"position": "all", "parts": "".join(options["params"]), "rank": options["r"]}
        updates["scale"] = options["alpha"] / math.sqrt(options["r"])
        return CLIPLoRAModel(clip, case["classnames"], options["template"], options["encoder"], **updates)

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        why = "at scale 100, recorded logits are 1.15e-5 from the same in float64; how near ours come depends on the processor"
        for column in recording.step(recording.model(cls)):
            yield column._replace(relative=1e-6, why=why) if column.name == "logits" else column
