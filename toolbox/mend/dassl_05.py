"""What Dassl 0.6 added and configurations need, put into the 0.5 that KgCoOp, ProGrad and BiomedCoOp bring along."""

from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import Any

import torch
from torchvision.transforms import RandomResizedCrop


def fill(replace: Callable[[Callable, Callable], None]) -> None:
    """The key INPUT.RRCROP_SCALE and the crop that obeys it, and parameter groups for an optimiser; nothing on 0.6.

    `replace(old, new)` puts a function in the place of another in all of Dassl's modules.
    """
    from dassl.config.defaults import _C as defaults
    from dassl.data.transforms import transforms
    from dassl.optim import optimizer

    if "RRCROP_SCALE" in defaults.INPUT:
        return
    defaults.INPUT.RRCROP_SCALE = (0.08, 1.0)
    replace(transforms.build_transform, _with_scale(transforms.build_transform, transforms))
    replace(optimizer.build_optimizer, _with_groups(optimizer.build_optimizer))


def _with_scale(function: Callable, transforms: Any) -> Callable:
    @wraps(function)
    def wrapper(cfg: Any, *args: Any, **kwargs: Any) -> Any:
        transforms.RandomResizedCrop = partial(RandomResizedCrop, scale=cfg.INPUT.RRCROP_SCALE)
        return function(cfg, *args, **kwargs)

    return wrapper


def _with_groups(function: Callable) -> Callable:
    @wraps(function)
    def wrapper(model: Any, optim_cfg: Any, param_groups: Iterable | None = None) -> torch.optim.Optimizer:
        if param_groups is None:
            return function(model, optim_cfg)
        optim_cfg = optim_cfg.clone()
        optim_cfg.defrost()
        optim_cfg.STAGED_LR = False  # the groups have their rates already
        return function(param_groups, optim_cfg)

    return wrapper
