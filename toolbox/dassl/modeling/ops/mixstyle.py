"""MixStyle: means and deviations of feature maps mixed between images (Zhou et al., ICLR 2021)."""

from contextlib import AbstractContextManager

from torch import Tensor, nn

from .mixing import Mixing, switched_off, switched_on, switches


class MixStyle(Mixing):
    """Each channel of an image gets a mixture of its own and its partner's mean and deviation."""

    def mixed(self, x: Tensor, share: Tensor, partners: Tensor) -> Tensor:
        mean = x.mean(dim=[2, 3], keepdim=True).detach()
        deviation = (x.var(dim=[2, 3], keepdim=True) + self.eps).sqrt().detach()
        new_mean, new_deviation = (s * share + s[partners] * (1 - share) for s in (mean, deviation))
        return (x - mean) / deviation * new_deviation + new_mean


_SWITCHES = switches(MixStyle)
deactivate_mixstyle, activate_mixstyle, random_mixstyle, crossdomain_mixstyle = _SWITCHES


def run_without_mixstyle(model: nn.Module) -> AbstractContextManager[None]:
    """Off inside, on behind."""
    return switched_off(model, deactivate_mixstyle, activate_mixstyle)


def run_with_mixstyle(model: nn.Module, mix: str | None = None) -> AbstractContextManager[None]:
    """On inside, with partners drawn by `mix` where it is given; off behind."""
    return switched_on(model, mix, _SWITCHES)
