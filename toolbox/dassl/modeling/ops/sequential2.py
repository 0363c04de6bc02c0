"""A chain of modules that take several arguments."""

from typing import Any

from torch import nn


class Sequential2(nn.Sequential):
    """Each module gets what the one before returned; a tuple as several arguments."""

    def forward(self, *inputs: Any) -> Any:
        passed: Any = inputs
        for module in self:
            passed = module(*passed) if isinstance(passed, tuple) else module(passed)
        return passed
