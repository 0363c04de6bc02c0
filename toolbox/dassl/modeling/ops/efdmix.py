"""EFDMix: whole distributions of feature maps mixed between images (Zhang et al., CVPR 2022)."""

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from .mixing import Mixing, switched_off, switched_on, switches


class EFDMix(Mixing):
    """The k-th smallest value of a channel moves toward the k-th smallest of the partner's channel."""

    def mixed(self, x: Tensor, share: Tensor, partners: Tensor) -> Tensor:
        values = x.flatten(2)
        ordered, places = torch.sort(values)
        matched = ordered[partners].gather(-1, places.argsort(-1))
        return (values + (matched - values.detach()) * (1 - share[..., 0])).view_as(x)


_SWITCHES = switches(EFDMix)
deactivate_efdmix, activate_efdmix, random_efdmix, crossdomain_efdmix = _SWITCHES


def run_without_efdmix(model: nn.Module) -> AbstractContextManager[None]:
    """Off inside, on behind."""
    return switched_off(model, deactivate_efdmix, activate_efdmix)


def run_with_efdmix(model: nn.Module, mix: str | None = None) -> AbstractContextManager[None]:
    """On inside, with partners drawn by `mix` where it is given; off behind."""
    return switched_on(model, mix, _SWITCHES)
