"""What learned prompts say: the words nearest to a context, and how far CILMP's intervention moves a class's rows."""

import torch
from torch import Tensor

from vlm.prompts.conditional import ConditionalText
from vlm.towers.text import TextTower


def nearest_words(ctx: Tensor, text: TextTower, top: int) -> list[list[tuple[str, float]]]:
    """For each vector of ctx (n_ctx, width) the `top` nearest word pieces and their Euclidean distances, as CoOp reports."""
    distance = torch.cdist(ctx.float(), text.token_embedding.float())
    values, tokens = distance.topk(top, largest=False)
    return [
        [(text.vocabulary.decode(int(t)), float(d)) for t, d in zip(ids, row, strict=True)]
        for ids, row in zip(tokens, values, strict=True)
    ]


@torch.no_grad()
def moved_rows(text: ConditionalText, image_features: Tensor) -> Tensor:
    """|h' - h| / |h| of CILMP's rows, mean over images and rows: (layers, n_cls, 2) for prefix and suffix."""
    ends = []
    for rows, intervention in ((text.rows.prefix, text.prefix), (text.rows.suffix, text.suffix)):
        moved = intervention.moved(rows, image_features).norm(dim=-1) / rows.norm(dim=-1)
        ends.append(moved.mean(dim=(1, 3)))
    return torch.stack(ends, dim=-1)
