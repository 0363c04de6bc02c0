"""Prompts in several layers of a tower: what MaPLe, independent prompting and its descendants have in common."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from vlm.backbone import Backbone
from vlm.prompts.prompted import DeepPrompts, initial_ctx
from vlm.towers.text import ContextLayout
from vlm.towers.tokens import NameTokens


class DeepText(DeepPrompts):
    """Text prompts [SOS][ctx][words][class].[EOT] with a context of its own in each of the first `depth` layers.

    Args:
        ctx_init: words that start the context; "" starts it from N(0, 0.02). Those beyond `n_ctx` word pieces are not
            learned: they stay in front of the class name, so N_CTX 2 and "a photo of a" make [v1][v2] of a {class}.
            (as in MaPLe's and PromptSRC's reference programs).
        n_ctx: learned context vectors.
        depth: prompted layers.

    Raises:
        UserError: a prompt does not fit the text tower, the words are fewer than `n_ctx`, or the tower is not as deep.
    """

    def __init__(self, clip: Backbone, classnames: Sequence[str], ctx_init: str, n_ctx: int, depth: int) -> None:
        if depth > 1:
            clip.text.check_layers()
        super().__init__(initial_ctx(clip, ctx_init, n_ctx), depth, clip.text.depth, "text")
        left = clip.text.vocabulary.encode(ctx_init.replace("_", " "))[n_ctx:]
        n_before = n_ctx + len(left)
        names = NameTokens(clip.text.vocabulary, classnames, n_before)
        self.layout = ContextLayout(clip.text, names, n_before)
        self.register_buffer("words", clip.text.embed(left).float(), persistent=False)
        object.__setattr__(self, "text", clip.text)  # frozen and shared: no part of this module's state

    def forward(self) -> Tensor:
        """Normalised text features, (n_cls, embed_dim)."""
        ctx = torch.cat([self.vectors[0], self.words])
        return self.text(ctx, self.layout, self.vectors[1:])


def recorded_depth(case: dict, layer: str) -> int:
    """How many parameters of a recording are named `layer` with a number in place of its {}."""
    return sum(layer.format(i) in case["trainable"] for i in range(1000))


def recorded_words(clip: Backbone, case: dict, arrays: dict[str, Tensor]) -> str:
    """The words that a recorded prompt began with: those before the class name, as its tokens say, or the options."""
    if "tokenized_prompts" not in arrays:
        return case.get("options", {}).get("ctx_init", "a photo of a")
    tokens = arrays["tokenized_prompts"][0].tolist()
    name = NameTokens(clip.text.vocabulary, case["classnames"][:1]).whole[0]
    before = tokens[1 : tokens.index(clip.text.vocabulary.end) + 1 - len(name)]
    return clip.text.vocabulary.decode(*before)


def in_layers(parameter: nn.Parameter, first: str, deeper: str) -> Iterator[tuple[str, nn.Parameter, int]]:
    """Names of a (depth, ...) parameter's slices in a reference program: `first`, then `deeper` with the layer's number."""
    for i in range(len(parameter)):
        yield (deeper.format(i) if i else first), parameter, i
