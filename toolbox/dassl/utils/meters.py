"""Running averages of what a trainer reports."""

from collections import defaultdict

import torch


class AverageMeter:
    """The last value (`val`) of a number and its average so far (`avg`), plain or exponential with weight 0.1."""

    def __init__(self, ema: bool = False) -> None:
        self.ema = ema
        self.reset()

    def reset(self) -> None:
        self.val = self.avg = self.sum = 0.0
        self.count = 0

    def update(self, val: float | torch.Tensor, n: int = 1) -> None:
        """Take in `val`, the mean over `n` items."""
        self.val = val.item() if isinstance(val, torch.Tensor) else val
        self.sum += self.val * n
        self.count += n
        self.avg = 0.9 * self.avg + 0.1 * self.val if self.ema else self.sum / self.count


class MetricMeter:
    """An AverageMeter a name; printed as `loss 0.1234 (0.2345) acc 50.0000 (43.7500)`."""

    def __init__(self, delimiter: str = " ") -> None:
        self.meters: dict[str, AverageMeter] = defaultdict(AverageMeter)
        self.delimiter = delimiter

    def update(self, input_dict: dict[str, float | torch.Tensor] | None) -> None:
        """Take in one value a name; None is allowed and changes nothing."""
        if input_dict is None:
            return
        if not isinstance(input_dict, dict):
            raise TypeError(f"a summary of losses must be a dict of numbers, not {type(input_dict).__name__}")
        for name, value in input_dict.items():
            self.meters[name].update(value)

    def __str__(self) -> str:
        return self.delimiter.join(f"{name} {m.val:.4f} ({m.avg:.4f})" for name, m in self.meters.items())
