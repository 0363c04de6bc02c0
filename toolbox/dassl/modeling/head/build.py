"""Heads by name."""

from typing import Any

from torch import nn

from dassl.utils import Registry

HEAD_REGISTRY = Registry("HEAD")


def build_head(name: str, verbose: bool = True, **kwargs: Any) -> nn.Module:
    """The head registered as `name`, made with `kwargs`; UserError when there is none of that name."""
    make = HEAD_REGISTRY.get(name)
    if verbose:
        print(f"Head: {name}")
    return make(**kwargs)
