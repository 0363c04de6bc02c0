"""Rows seen from their common centre: what all classes share tells none from another, and slows the start of training."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from toolbox.errors import UserError, nearest

KINDS = ("none", "centred")


class RowScaling(nn.Module):
    """h' = (h - mean) * scale, layer by layer, with the statistics of the training classes.

    The mean over the training classes' rows of a layer is subtracted, and the rest stretched so that their mean norm in
    that layer is what it was. Layers are matched by their number from the first. The statistics are part of the state of
    the model that holds this, so other classes' rows are scaled by the same numbers after loading.

    Args:
        rows: one (L_c, D) tensor a training class.
    """

    def __init__(self, rows: Sequence[Tensor]) -> None:
        super().__init__()
        means, scales = zip(*(_statistics(rows, layer) for layer in range(max(map(len, rows)))), strict=True)
        self.register_buffer("mean", torch.stack(means))
        self.register_buffer("scale", torch.stack(scales))

    @torch.no_grad()
    def forward(self, rows: Sequence[Tensor]) -> list[Tensor]:
        """Scaled rows, one (L_c, D) tensor a class. Raises UserError for a class with more rows than any training class."""
        most = len(self.mean)
        if max(map(len, rows)) > most:
            raise UserError(
                f"a class has {max(map(len, rows))} rows, the training classes had at most {most}: ROWS_SCALING centred "
                "knows nothing of the others; use rows of one language model, or ROWS_SCALING none"
            )
        mean, scale = self.mean.to(rows[0].device), self.scale.to(rows[0].device)
        return [(r.float() - mean[: len(r)]) * scale[: len(r), None] for r in rows]

    def make_room(self, layers: int) -> None:
        """Be ready to load statistics of another number of layers."""
        if layers != len(self.mean):
            self.mean, self.scale = self.mean.new_zeros(layers, self.mean.shape[1]), self.scale.new_zeros(layers)

    def summary(self) -> dict[str, list[float]]:
        """For people: each layer's norm of what is subtracted, and what the rest is multiplied by."""
        return {"mean_norm": self.mean.norm(dim=1).tolist(), "scale": self.scale.tolist()}


def row_scaling(kind: str, rows: Sequence[Tensor]) -> RowScaling | None:
    """The scaling that TRAINER.CILMP.ROWS_SCALING asks for. Raises UserError for an unknown kind."""
    if kind not in KINDS:
        raise UserError(f"ROWS_SCALING '{kind}': no such scaling ({nearest(kind, KINDS)})")
    return RowScaling(rows) if kind == "centred" and max(map(len, rows)) else None


def _statistics(rows: Sequence[Tensor], layer: int) -> tuple[Tensor, Tensor]:
    """Mean (D,) of a layer's rows over the classes that have it, and the factor that restores their mean norm.

    A layer that one class alone has shares nothing with others: it stays as it is. Nothing is left of one that is equal in
    all of them, and nothing is stretched.
    """
    having = torch.stack([r[layer].double() for r in rows if len(r) > layer])
    mean = having.mean(0) if len(having) > 1 else torch.zeros_like(having[0])
    before, after = having.norm(dim=1).mean(), (having - mean).norm(dim=1).mean()
    scale = before / after if after > 1e-6 * before else torch.ones_like(before)
    return mean.float(), scale.float()
