"""Checkpoints (see toolbox.checkpoints), pretrained weights, freezing and counting."""

import warnings
from collections.abc import Iterable

import torch
from torch import nn

from toolbox.checkpoints import load_checkpoint, resume_from_checkpoint, save_checkpoint
from toolbox.errors import UserError, nearest

__all__ = [
    "adjust_learning_rate",
    "count_num_param",
    "init_network_weights",
    "load_checkpoint",
    "load_pretrained_weights",
    "open_all_layers",
    "open_specified_layers",
    "resume_from_checkpoint",
    "save_checkpoint",
    "set_bn_to_eval",
]

_WEIGHT_INITS = {
    "normal": lambda weight, gain: nn.init.normal_(weight, 0.0, gain),
    "xavier": lambda weight, gain: nn.init.xavier_normal_(weight, gain=gain),
    "kaiming": lambda weight, gain: nn.init.kaiming_normal_(weight, a=0, mode="fan_in"),
    "orthogonal": lambda weight, gain: nn.init.orthogonal_(weight, gain=gain),
}


def count_num_param(model: nn.Module | None = None, params: Iterable | None = None) -> int:
    """Number of scalars in a model, or in an iterable of parameters or of parameter groups."""
    if model is not None:
        return sum(parameter.numel() for parameter in model.parameters())
    if params is None:
        raise ValueError("give a model or params")
    total = 0
    for entry in params:
        members = entry["params"] if isinstance(entry, dict) else entry
        total += sum(p.numel() for p in ([members] if isinstance(members, torch.Tensor) else members))
    return total


def load_pretrained_weights(model: nn.Module, weight_path: str) -> None:
    """Load from a checkpoint file the tensors whose name and shape fit `model`; says which were left out."""
    checkpoint = load_checkpoint(weight_path)
    offered = checkpoint.get("state_dict", checkpoint)
    wanted = model.state_dict()
    fitting, left_out = {}, []
    for key, value in offered.items():
        key = key.removeprefix("module.")
        if key in wanted and wanted[key].shape == value.shape:
            fitting[key] = value
        else:
            left_out.append(key)
    if not fitting:
        warnings.warn(f"nothing in {weight_path} fits the model: compare the names by hand", stacklevel=2)
        return
    model.load_state_dict({**wanted, **fitting})
    print(f"Loaded {len(fitting)} pretrained tensors from {weight_path}")
    if left_out:
        print(f"Not loaded, because name or shape differ: {left_out}")


def adjust_learning_rate(
    optimizer: torch.optim.Optimizer,
    base_lr: float,
    epoch: int,
    stepsize: int = 20,
    gamma: float = 0.1,
    linear_decay: bool = False,
    final_lr: float = 0,
    max_epoch: int = 100,
) -> None:
    """Set the rate of an epoch by hand: `gamma` times lower every `stepsize` epochs, or in a line to `final_lr`."""
    done = epoch / max_epoch
    rate = done * final_lr + (1 - done) * base_lr if linear_decay else base_lr * gamma ** (epoch // stepsize)
    for group in optimizer.param_groups:
        group["lr"] = rate


def set_bn_to_eval(module: nn.Module) -> None:
    """For `model.apply`: batch normalisation keeps its running statistics; its scale and shift still learn."""
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        module.eval()


def open_all_layers(model: nn.Module) -> None:
    """Training mode and gradients for the entire model."""
    model.train()
    model.requires_grad_(True)


def open_specified_layers(model: nn.Module, open_layers: str | list[str]) -> None:
    """Training mode and gradients for the named children only; the others are frozen and in evaluation mode."""
    if isinstance(model, nn.DataParallel):
        model = model.module
    names = [open_layers] if isinstance(open_layers, str) else open_layers
    children = dict(model.named_children())
    for name in names:
        if name not in children:
            raise UserError(f'the model has no layer "{name}"; {nearest(name, children)}')
    for name, child in children.items():
        child.train(name in names)
        child.requires_grad_(name in names)


def init_network_weights(model: nn.Module, init_type: str = "normal", gain: float = 0.02) -> None:
    """Draw the weights of all convolutions and linear layers anew; normalisation layers become the identity."""
    if init_type not in _WEIGHT_INITS:
        raise UserError(f'unknown initialisation "{init_type}"; {nearest(init_type, _WEIGHT_INITS)}')
    linear = (nn.Linear, nn.modules.conv._ConvNd)
    norms = (nn.modules.batchnorm._NormBase,)
    for module in model.modules():
        if isinstance(module, linear):
            _WEIGHT_INITS[init_type](module.weight.data, gain)
        elif isinstance(module, norms) and module.weight is not None:
            nn.init.ones_(module.weight.data)
        if isinstance(module, linear + norms) and module.bias is not None:
            nn.init.zeros_(module.bias.data)
