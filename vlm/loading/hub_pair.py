"""Any image-text pair that transformers builds and that gives features of both: AltCLIP, Chinese CLIP, BLIP, ALIGN, FLAVA.

Both towers are used as they were loaded: a context enters at the text tower's word embedding and nowhere else.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import MODEL_MAPPING, AutoConfig, PretrainedConfig, PreTrainedModel

from toolbox.errors import UserError
from vlm.backbone import CLIP_MEAN, CLIP_STD, Backbone
from vlm.loading.hub_words import hub_words
from vlm.towers.tokens import Vocabulary
from vlm.towers.whole import Whole, WholeImage
from vlm.towers.whole_text import WholeText

SCALES = ("logit_scale", "temperature")  # of the logits: its log, or what it is divided by
PROBE = "an image of a lung, of a cell and of a kidney"
MOST = 512  # positions of a text tower that names no number of its own


def from_config(
    name: str,
    folder: Path,
    preprocess: dict,
    weights: Callable[[], dict[str, Tensor]],
    fetch: Callable[..., Path | None],
) -> Backbone:
    """The backbone of the config.json in `folder`.

    Args:
        preprocess: mean and std, where they are known.
        weights: gives the checkpoint's tensors; asked for once the architecture is known to fit.
        fetch: gives the first of some file names that the model's source has, or None.

    Raises:
        UserError: transformers does not know it as an image-text pair, or weights or tokeniser are missing or others'.
    """
    config, kind = _known(name, folder)
    model = _loaded(name, kind, config, weights())
    scale = next((key for key in SCALES if hasattr(model, key)), None)
    if scale is None:
        raise UserError(
            f"backbone {name}: a {config.model_type!r} has no scale of its logits; it is not trained as a CLIP is"
        )
    try:
        words = _word_embedding(model, config.text_config.vocab_size)
        vocabulary = hub_words(name, "", _positions(config), {}, fetch)
        text = PairText(model, words, vocabulary.encode("a")[0], vocabulary.start, vocabulary.end)
        image, size = PairImage(model), _vision(config).image_size
        embed_dim = _tried(image, text, size, vocabulary)
    except (AttributeError, RuntimeError, StopIteration, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"backbone {name}: a {config.model_type!r} gives no features from pixels and tokens alone ({reason})"
        ) from error
    vocabulary.fill = None  # padding is masked
    value = getattr(model, scale).detach()
    return Backbone(
        name,
        WholeImage(image),
        WholeText(text, lambda out, mask: out, nn.Identity(), embed_dim, vocabulary),
        value if scale == "logit_scale" else -value.log(),
        size,
        preprocess.get("mean") or CLIP_MEAN,
        preprocess.get("std") or CLIP_STD,
        logit_bias=getattr(model, "logit_bias", None),
    )


@torch.no_grad()
def _tried(image: nn.Module, text: "PairText", size: int, vocabulary: Vocabulary) -> int:
    """Width of the joint embedding, by one image and one text.

    Raises:
        ValueError: the two differ, or a text's feature depends on more than its word embeddings: on the numbers of its pieces,
            by which some models look for its end.
    """
    start = [] if vocabulary.start is None else [vocabulary.start]
    tokens = torch.tensor([[*start, *vocabulary.encode(PROBE), vocabulary.end]])
    seen, read = image(torch.zeros(1, 3, size, size)), text(text.words(tokens), torch.ones_like(tokens))
    if seen.dim() != 2 or seen.shape != read.shape:
        raise ValueError(f"features of {tuple(seen.shape)} and {tuple(read.shape)}")
    own = text.pair.get_text_features(input_ids=tokens, attention_mask=torch.ones_like(tokens))
    if not torch.allclose(feature(own), read, rtol=1e-3, atol=1e-4):
        raise ValueError("its text tower finds the end of a text by another token than its tokeniser puts there")
    return read.shape[1]


def _known(name: str, folder: Path) -> tuple[PretrainedConfig, type[PreTrainedModel]]:
    """Configuration and class of an image-text pair; UserError for what is none."""
    try:
        config = AutoConfig.from_pretrained(folder)
        kind = MODEL_MAPPING[type(config)]
    except Exception as error:  # of whatever kind the library makes it
        reason = " ".join(str(error).split())
        raise UserError(f"backbone {name}: transformers cannot build what {folder} describes ({reason})") from error
    if not all(hasattr(kind, f"get_{part}_features") for part in ("image", "text")):
        raise UserError(
            f"backbone {name}: {folder}/config.json describes a {config.model_type!r}, not a CLIP or another image-text pair"
        )
    return config, kind


def _loaded(
    name: str, kind: type[PreTrainedModel], config: PretrainedConfig, state: dict[str, Tensor]
) -> PreTrainedModel:
    """The model with these weights, in float32; the library knows which names its earlier versions gave them.

    Of a model that was saved with heads for pre-training, FLAVA's, the pair alone is taken.
    """
    inside = f"{kind.base_model_prefix}."
    if kind.base_model_prefix and any(key.startswith(inside) for key in state):
        state = {key.removeprefix(inside): value for key, value in state.items() if key.startswith(inside)}
    try:
        model, about = kind.from_pretrained(
            None, config=config, state_dict=state, dtype=torch.float32, output_loading_info=True
        )
    except Exception as error:  # of whatever kind the library makes it
        reason = " ".join(str(error).split())
        raise UserError(f"backbone {name}: the weights do not fit a {config.model_type!r} ({reason})") from error
    for fault, keys in (("lacks", about["missing_keys"]), ("has besides", about["unexpected_keys"])):
        wrong = sorted(key for key in keys if key.rpartition(".")[2] != "position_ids")
        if wrong:
            raise UserError(f"backbone {name}: the checkpoint {fault} {wrong[0]}; it is not of this architecture")
    spoilt = next((key for key, value in model.named_parameters() if not value.isfinite().all()), None)
    if spoilt:
        raise UserError(f"backbone {name}: {spoilt} holds NaN or infinite numbers; fetch or save the checkpoint again")
    return model.eval()


def _vision(config: PretrainedConfig) -> PretrainedConfig:
    return config.image_config if hasattr(config, "image_config") else config.vision_config


def feature(read: Any) -> Tensor:
    """(n, embed_dim) of what a pair gives of n images or texts: where it gives all tokens (FLAVA), the first is compared."""
    found = getattr(read, "pooler_output", read)
    return found[:, 0] if found.dim() == 3 else found


def _positions(config: PretrainedConfig) -> int:
    places = getattr(config.text_config, "max_position_embeddings", MOST)
    roberta = "roberta" in config.text_config.model_type or config.model_type == "altclip"
    return places - config.text_config.pad_token_id - 1 if roberta else places


def _word_embedding(model: nn.Module, size: int) -> nn.Embedding:
    return next(m for m in model.modules() if isinstance(m, nn.Embedding) and m.num_embeddings == size)


class PairImage(nn.Module):
    """Raw features (batch, embed_dim) of images; holds the whole pair."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.kind = model, _vision(model.config).model_type

    def forward(self, images: Tensor) -> Tensor:
        return feature(self.model.get_image_features(pixel_values=images))


class PairText(Whole):
    """Features (n, embed_dim) of word embeddings (n, length, width), put in place of those that the model would look up.

    Args:
        words: the model's word embedding.
        piece: the number of any word piece, which stands for what is put in.
        start, end: of the tokens around a text, by which some models find what they read.
    """

    def __init__(self, model: nn.Module, words: nn.Embedding, piece: int, start: int | None, end: int) -> None:
        super().__init__()
        # The image tower holds the pair; here it is a plain attribute, so that no weight counts twice.
        self.__dict__["pair"], self.__dict__["words"] = model, words
        self.piece, self.start, self.end = piece, start, end
        self.kind = model.config.text_config.model_type

    def get_input_embeddings(self) -> nn.Embedding:
        return self.words

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor) -> Tensor:
        ids = torch.full(attention_mask.shape, self.piece, device=attention_mask.device)
        if self.start is not None:
            ids[:, 0] = self.start
        ids.scatter_(1, attention_mask.sum(1, keepdim=True) - 1, self.end)
        hook = self.words.register_forward_hook(lambda module, given, found: inputs_embeds)
        try:
            read = self.pair.get_text_features(input_ids=ids, attention_mask=attention_mask)
        finally:
            hook.remove()
        return feature(read)
