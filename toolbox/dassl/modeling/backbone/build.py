"""Backbones by name."""

from typing import Any

from torch import nn

from dassl.utils import Registry

BACKBONE_REGISTRY = Registry("BACKBONE")


def build_backbone(name: str, verbose: bool = True, **kwargs: Any) -> nn.Module:
    """The backbone registered as `name`, made with `kwargs`; UserError when there is none of that name."""
    make = BACKBONE_REGISTRY.get(name)
    if verbose:
        print(f"Backbone: {name}")
    return make(**kwargs)
