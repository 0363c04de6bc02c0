"""Networks by name."""

from typing import Any

from torch import nn

from dassl.utils import Registry

NETWORK_REGISTRY = Registry("NETWORK")


def build_network(name: str, verbose: bool = True, **kwargs: Any) -> nn.Module:
    """The network registered as `name`, made with `kwargs`; UserError when there is none of that name."""
    make = NETWORK_REGISTRY.get(name)
    if verbose:
        print(f"Network: {name}")
    return make(**kwargs)
