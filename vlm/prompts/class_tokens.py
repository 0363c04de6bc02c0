"""Text prompts whose context is replaced, before one of the layers, by tokens that each class has of its own (TCP)."""

import torch
from torch import Tensor

from toolbox.errors import UserError
from vlm.towers.ragged import Packed
from vlm.towers.text import ContextLayout, TextTower
from vlm.towers.tokens import NameTokens


class ClassTokenLayout:
    """[SOS][ctx][class].[EOT] in the layers before `layer`, [SOS][class tokens][class].[EOT] from it on.

    Args:
        text: the tower.
        names: the classes' word pieces.
        n_ctx: vectors of the context, and tokens of each class.
        layer: the first layer (from 0) that sees class tokens.

    Raises:
        UserError: the tower has no such layer.
    """

    def __init__(self, text: TextTower, names: NameTokens, n_ctx: int, layer: int) -> None:
        text.check_layers()
        if not 0 < layer < text.depth:
            raise UserError(
                f"class tokens enter text layer {layer} (counted from 0) but the text tower has {text.depth} layers; "
                f"choose LAYER from 1 to {text.depth - 1}"
            )
        self.layer, self.n_ctx = layer, n_ctx
        self.before = ContextLayout(text, names, n_ctx)
        packed, made = self.before.packed, n_ctx * len(names)
        # Indices into [tokens of all classes][tokens of the layers before].
        start = [(made + i, position) for i, position in text.lead] if text.causal else []
        classes = []
        for c, (at, own) in enumerate(zip(packed.at, self.before.classes, strict=True)):
            tokens = [(c * n_ctx + i, 1 + i) for i in range(n_ctx)]
            kept = [(made + i, position) for i, (_, position) in zip(at, own, strict=True)]
            first = [token for token in kept if token[1] == 0]
            classes.append(first + tokens + [token for token in kept if token[1] > n_ctx])
        self.after = Packed(start, classes, text.causal, self.before.readout, self.before.words)

    def features(self, text: TextTower, ctx: Tensor, class_tokens: Tensor) -> Tensor:
        """Normalised (n_cls, embed_dim) of a context (n_ctx, width) and class tokens (n_cls, n_ctx, width)."""
        packed = self.before.packed
        x = text.enter(packed.arrange(self.before.table(ctx.to(text.dtype))), packed.position)
        x = text.run(x, packed, range(self.layer))
        x = torch.cat([class_tokens.to(x.dtype).flatten(0, 1)[None], x.flatten(1, 2)], dim=1)
        x = text.run(self.after.arrange(x), self.after, range(self.layer, text.depth))
        return text.project(x.flatten(1, 2)[:, : self.after.n_cls])[0]
