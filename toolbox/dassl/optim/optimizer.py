"""Optimisers by name."""

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from toolbox.errors import UserError, nearest

AVAI_OPTIMS = ["adam", "amsgrad", "sgd", "rmsprop", "radam", "adamw"]


def build_optimizer(
    model: nn.Module | Iterable,
    optim_cfg: CfgNode,
    param_groups: Iterable | None = None,
) -> torch.optim.Optimizer:
    """The optimiser `optim_cfg.NAME` for a model, an iterable of parameters or, if given, `param_groups`.

    Frozen parameters may be among them: they never get a gradient and stay as they are.
    """
    name = optim_cfg.NAME
    if name not in AVAI_OPTIMS:
        raise UserError(f'OPTIM.NAME: unknown optimiser "{name}"; {nearest(name, AVAI_OPTIMS)}')
    if param_groups is not None:
        if optim_cfg.STAGED_LR:
            warnings.warn("OPTIM.STAGED_LR is not used: the parameter groups were given", stacklevel=2)
    elif optim_cfg.STAGED_LR:
        param_groups = _staged_groups(model, optim_cfg)
    else:
        param_groups = model.parameters() if isinstance(model, nn.Module) else model
    kind, options = _kind_and_options(name, optim_cfg)
    return kind(param_groups, lr=optim_cfg.LR, weight_decay=optim_cfg.WEIGHT_DECAY, **options)


def _kind_and_options(name: str, cfg: CfgNode) -> tuple[type[torch.optim.Optimizer], dict[str, Any]]:
    betas = {"betas": (cfg.ADAM_BETA1, cfg.ADAM_BETA2)}
    momentum = {"momentum": cfg.MOMENTUM}
    return {
        "adam": (torch.optim.Adam, betas),
        "amsgrad": (torch.optim.Adam, {**betas, "amsgrad": True}),
        "adamw": (torch.optim.AdamW, betas),
        "radam": (torch.optim.RAdam, {**betas, "decoupled_weight_decay": True}),
        "rmsprop": (torch.optim.RMSprop, {**momentum, "alpha": cfg.RMSPROP_ALPHA}),
        "sgd": (torch.optim.SGD, {**momentum, "dampening": cfg.SGD_DAMPNING, "nesterov": cfg.SGD_NESTEROV}),
    }[name]


def _staged_groups(model: nn.Module, cfg: CfgNode) -> list[dict[str, Any]]:
    """Two groups: children not in OPTIM.NEW_LAYERS at LR * BASE_LR_MULT, those in it at LR."""
    if not isinstance(model, nn.Module):
        raise TypeError("OPTIM.STAGED_LR needs the model itself, not its parameters")
    model = model.module if isinstance(model, nn.DataParallel) else model
    new = [cfg.NEW_LAYERS] if isinstance(cfg.NEW_LAYERS, str) else list(cfg.NEW_LAYERS)
    if not new:
        warnings.warn("OPTIM.NEW_LAYERS is empty: the whole model learns at the small rate", stacklevel=3)
    base_params, new_params = [], []
    for name, child in model.named_children():
        (new_params if name in new else base_params).extend(child.parameters())
    return [{"params": base_params, "lr": cfg.LR * cfg.BASE_LR_MULT}, {"params": new_params}]
