"""A loaded, frozen CLIP: an image tower, a text tower, the temperature, and the preprocessing that belongs to them."""

import copy
import hashlib
from collections.abc import Sequence
from functools import cached_property

import open_clip
import torch
from torch import Tensor, nn

from toolbox.errors import UserError
from vlm.loading.weights import fill
from vlm.towers.attention import causal_mask
from vlm.towers.block import LayerNorm
from vlm.towers.build import check_text, clip_vocabulary, image_tower, text_tower
from vlm.towers.whole import Whole

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
LONG = "positional_embedding_res"
"""LongCLIP's second table of positions (Zhang et al., ECCV 2024), which holds from position `KEPT` on."""
KEPT = 20
ROTATIONS = ("pos_embed", "bands", "inv_freq", "original_inv_freq")
"""What timm and transformers call tables of rotary positions."""


class Backbone(nn.Module):
    """The frozen model that every method works with.

    Attributes:
        name: as the user gave it.
        image: image tower; `image(images, prompts)` gives normalised features (batch, embed_dim).
        text: text tower; see `vlm.towers.text`.
        logit_scale: the log of the temperature's inverse, a frozen scalar.
        logit_bias: what is added to every logit (SigLIP), a frozen scalar, or None.
        image_size: pixels a side.
        mean, std: normalisation of RGB values in 0..1.
        templates: prompts that its authors used, each with one {}; empty where they say none.
    """

    def __init__(
        self,
        name: str,
        image: nn.Module,
        text: nn.Module,
        logit_scale: Tensor,
        image_size: int,
        mean: Sequence[float] = CLIP_MEAN,
        std: Sequence[float] = CLIP_STD,
        templates: Sequence[str] = (),
        logit_bias: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.image, self.text = image, text
        self.logit_scale = nn.Parameter(logit_scale.detach().clone().float().reshape(()))
        bias = None if logit_bias is None else nn.Parameter(logit_bias.detach().clone().float().reshape(()))
        self.register_parameter("logit_bias", bias)
        self.image_size = image_size
        self.mean, self.std = tuple(mean), tuple(std)
        self.templates = tuple(templates)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode: the backbone is frozen, batch statistics included."""
        return super().train(False)

    @property
    def embed_dim(self) -> int:
        return self.text.embed_dim

    @property
    def device(self) -> torch.device:
        return self.logit_scale.device

    def copy_as(self, dtype: torch.dtype, device: str | torch.device) -> "Backbone":
        """A copy with weights in `dtype` on `device`, made weight by weight; what stays in float32 is as in `cast`."""
        hash_of_original = self.weights_hash
        kept = self._kept()
        done = {
            id(p): nn.Parameter(p.to(device, p.dtype if id(p) in kept else dtype), requires_grad=False)
            for p in self.parameters()
        }
        copied = copy.deepcopy(self, done).to(device)
        copied._cast_tables(dtype)
        copied.__dict__["weights_hash"] = hash_of_original
        return copied

    def _kept(self) -> set[int]:
        """Parameters that stay in float32 whatever the rest: norms, the temperature and the bias.

        Towers that are used whole have LayerNorms of other kinds, some of which compute only in the precision of their weights.
        """
        whole = {id(m) for tower in self.modules() if isinstance(tower, Whole) for m in tower.modules()}
        norms = [m for m in self.modules() if isinstance(m, LayerNorm | nn.LayerNorm) and id(m) not in whole]
        norms += [m for m in self.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        return {id(p) for m in norms for p in m.parameters()} | {id(self.logit_scale), id(self.logit_bias)}

    def _cast_tables(self, dtype: torch.dtype) -> None:
        """What towers that are used whole keep beside their weights (EVA's biases of keys), in `dtype`, in place.

        Not rotations: half the digits turn by other angles, and whoever applies them rounds afterwards.
        """
        for tower in (m for m in self.modules() if isinstance(m, Whole)):
            for module in tower.modules():
                if not isinstance(module, nn.modules.batchnorm._BatchNorm):
                    for name, table in module.named_buffers(recurse=False):
                        if table.is_floating_point() and not name.startswith(ROTATIONS):
                            setattr(module, name, table.to(dtype))

    def cast(self, dtype: torch.dtype) -> "Backbone":
        """Weights in `dtype`, in place; norms and the temperature stay in float32."""
        kept = self._kept()
        for p in self.parameters():
            if id(p) not in kept:
                p.data = p.data.to(dtype)
        self._cast_tables(dtype)
        return self

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 over all weights as loaded, by name: the identity of the backbone in results.

        Read it before `cast`; it is kept from then on.
        """
        digest = hashlib.sha256()
        for key, value in sorted(self.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()


def openai_model(state: dict[str, Tensor]) -> nn.Module:
    """An open_clip model with the weights of an OpenAI-format state dict, in float32.

    open_clip's own builder rounds to half precision on the way; sizes are read off the tensors here instead.

    Raises:
        UserError: the weights are not a CLIP's in that format.
    """
    state = {k: v for k, v in state.items() if k not in ("input_resolution", "context_length", "vocab_size")}
    if LONG in state:
        known, stretched = state["positional_embedding"], state.pop(LONG)
        state["positional_embedding"] = torch.cat([known[:KEPT], stretched[KEPT:]])
    try:
        vision, text, embed_dim = _vision_sizes(state), _text_sizes(state), state["text_projection"].shape[1]
        with torch.device("meta"):
            model = open_clip.CLIP(embed_dim, vision_cfg=vision, text_cfg=text, quick_gelu=True)
    except KeyError as error:
        raise UserError(f"these weights are no CLIP in OpenAI's format: they have no {error}") from error
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"these weights are no CLIP in OpenAI's format: their shapes are no model's ({error})"
        ) from error
    model = fill(model, state, "OpenAI's format")
    model.attn_mask = causal_mask(
        model.context_length, torch.device("cpu")
    )  # made, not saved, so it had no memory so far
    return model


def _vision_sizes(state: dict[str, Tensor]) -> open_clip.CLIPVisionCfg:
    if "visual.proj" in state:
        width, _, _, patch = state["visual.conv1.weight"].shape
        grid = round((len(state["visual.positional_embedding"]) - 1) ** 0.5)
        layers = len({k.split(".")[3] for k in state if k.startswith("visual.transformer.resblocks.")})
        return open_clip.CLIPVisionCfg(layers=layers, width=width, patch_size=patch, image_size=patch * grid)
    stages = [{k.split(".")[2] for k in state if k.startswith(f"visual.layer{i}.")} for i in (1, 2, 3, 4)]
    grid = round((len(state["visual.attnpool.positional_embedding"]) - 1) ** 0.5)
    width = len(state["visual.layer1.0.conv1.weight"])
    return open_clip.CLIPVisionCfg(
        layers=tuple(len(stage) for stage in stages), width=width, patch_size=None, image_size=grid * 32
    )


def _text_sizes(state: dict[str, Tensor]) -> open_clip.CLIPTextCfg:
    width = len(state["ln_final.weight"])
    return open_clip.CLIPTextCfg(
        context_length=len(state["positional_embedding"]),
        vocab_size=len(state["token_embedding.weight"]),
        width=width,
        heads=width // 64,
        layers=len({k.split(".")[2] for k in state if k.startswith("transformer.resblocks.")}),
    )


def from_open_clip_model(name: str, model: nn.Module) -> Backbone:
    """A backbone over an open_clip `CLIP` with CLIP's own tokeniser.

    Raises:
        UserError: the text tower pools or attends in a way prompts cannot enter; what is different is said.
    """
    text = getattr(model, "text", model)
    check_text(name, text)
    image = image_tower(model.visual)
    tower = text_tower(text, clip_vocabulary(text))
    return Backbone(name, image, tower, model.logit_scale, _side(model.visual.image_size))


def _side(size: int | tuple[int, int]) -> int:
    return size if isinstance(size, int) else size[0]
