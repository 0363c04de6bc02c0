"""Makes stock Dassl 0.6.3 work on current versions of torch and NumPy, at run time and from outside; 0.5.0 too.

Nothing on disk is changed. `prepare` runs before `import dassl`, `mend` after it. What is mended, and why:

- `wilds`, `pandas` and `gdown` are imported by data sets few people use; where they are not installed, stand-ins that
  complain when they are called take their place while Dassl is imported.
- The warm-up schedules hand `verbose` to torch, which no longer takes it, and pickle themselves into checkpoints.
- Checkpoints cannot be read back (torch.load now takes plain data only), are not written whole, lack the random states,
  and `load_model` cannot print a checkpoint without a validation result: `toolbox.mend.resumable` has all of that.
- The log copier has no `isatty`, writes whenever the buffer is full, and closes the console when it goes.
- `np.int` is gone from NumPy; old forms of `addmm_` and `addcmul_` (in RAdam) are on their way out of torch, and top-k
  accuracy views memory that is no longer contiguous.
- The confusion matrix was saved as a NumPy pickle, which torch.load refuses.
- Registries are filled by our packages when they are first looked into, as on the bundled toolbox (`toolbox.registries`).
- Unknown names and unreadable images get one clear line, and bars are shown only on a terminal, as on the bundled toolbox.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from functools import partial, wraps
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from toolbox import checkpoints, images, metrics
from toolbox.errors import UserError, nearest
from toolbox.mend import dassl_05, warmup
from toolbox.mend.prograd import ProGradStep
from toolbox.mend.resumable import Resumable
from toolbox.registries import fill

_OPTIONAL = {"wilds": "get_dataset", "pandas": "read_csv", "gdown": "download"}  # package: what Dassl takes from it
_REGISTRIES = {  # module that builds things by name: what the things are called
    "dassl.data.datasets.build": "DATASET.NAME: unknown dataset",
    "dassl.engine.build": "TRAINER.NAME: unknown trainer",
    "dassl.evaluation.build": "TEST.EVALUATOR: unknown evaluator",
    "dassl.modeling.backbone.build": "MODEL.BACKBONE.NAME: unknown backbone",
    "dassl.modeling.head.build": "MODEL.HEAD.NAME: unknown head",
    "dassl.modeling.network.build": "unknown network",
}


def prepare() -> None:
    """Let `import dassl` succeed without the optional packages it imports; `mend` takes the stand-ins away again."""
    for name, function in _OPTIONAL.items():
        if name not in sys.modules and importlib.util.find_spec(name) is None:
            module = ModuleType(name)
            module.__spec__ = ModuleSpec(name, None)
            module.stand_in = True
            setattr(module, function, partial(_not_installed, name))
            sys.modules[name] = module


def mend() -> None:
    """Mend the imported package; a second call does nothing."""
    dassl = importlib.import_module("dassl")
    if getattr(dassl, "mended", False):
        return
    dassl.mended = True
    dassl_05.fill(_replace_everywhere)
    _mend_registries()
    _mend_checkpoints()
    _mend_optim()
    _mend_numbers()
    _mend_logger()
    _mend_messages()
    for name in _OPTIONAL:  # others ask `sys.modules` whether a package is there
        if getattr(sys.modules.get(name), "stand_in", False):
            del sys.modules[name]


def _not_installed(name: str, *args: Any, **kwargs: Any) -> None:
    raise UserError(f"this data set needs the package {name}: pip install {name}")


def _mend_registries() -> None:
    from dassl.utils.registry import Registry

    for name in ("get", "registered_names"):
        setattr(Registry, name, _filled_first(getattr(Registry, name)))


def _filled_first(method: Callable) -> Callable:
    @wraps(method)
    def wrapper(registry: Any, *args: Any) -> Any:
        fill(registry._name)
        return method(registry, *args)

    return wrapper


def _mend_checkpoints() -> None:
    from dassl.engine import TrainerBase
    from dassl.utils import torchtools

    for kind in (Resumable, ProGradStep):
        for name, method in vars(kind).items():
            if not name.startswith("__"):
                setattr(TrainerBase, name, method)
    for name in ("save_checkpoint", "load_checkpoint", "resume_from_checkpoint"):
        _replace_everywhere(getattr(torchtools, name), getattr(checkpoints, name))


def _mend_optim() -> None:
    from dassl.optim import lr_scheduler, optimizer

    optimizer.RAdam = partial(torch.optim.RAdam, decoupled_weight_decay=True)
    lr_scheduler.ConstantWarmupScheduler = warmup.ConstantWarmupScheduler
    lr_scheduler.LinearWarmupScheduler = warmup.LinearWarmupScheduler


def _mend_numbers() -> None:
    from dassl.data.transforms import autoaugment, randaugment
    from dassl.evaluation import evaluator
    from dassl.metrics import accuracy, distance

    for module in (autoaugment, randaugment):
        module.np = _NumpyWithInt("numpy")
    evaluator.confusion_matrix = _as_tensor(evaluator.confusion_matrix)
    _replace_everywhere(distance.euclidean_squared_distance, metrics.euclidean_squared_distance)
    _replace_everywhere(accuracy.compute_accuracy, metrics.compute_accuracy)


def _mend_logger() -> None:
    from dassl.utils.logger import Logger

    Logger.__getattr__ = _from_console
    Logger.write = _write_line_by_line
    Logger.close = _close_file


def _mend_messages() -> None:
    from dassl.data import samplers
    from dassl.data.datasets import base_dataset
    from dassl.data.transforms import transforms
    from dassl.engine import trainer
    from dassl.optim import lr_scheduler, optimizer
    from dassl.utils import tools

    for name, what in _REGISTRIES.items():
        importlib.import_module(name).check_availability = partial(_check_availability, what)
    base_dataset.check_isfile = _check_image
    _replace_everywhere(tools.read_image, images.read_image)
    for function in (samplers.build_sampler, optimizer.build_optimizer, lr_scheduler.build_lr_scheduler):
        _replace_everywhere(function, _with_user_errors(function))
    checking = _checking_transforms(transforms.build_transform, transforms.AVAI_CHOICES)
    _replace_everywhere(transforms.build_transform, checking)
    trainer.tqdm = partial(tqdm, disable=None)  # None: no bar unless on a terminal


def _replace_everywhere(old: Callable, new: Callable) -> None:
    """Dassl's modules import functions by name, so each holds a reference of its own."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "dassl":
            for key in [key for key, value in vars(module).items() if value is old]:
                setattr(module, key, new)


def _check_availability(what: str, requested: str, available: list[str]) -> None:
    if requested not in available:
        raise UserError(f'{what} "{requested}"; {nearest(requested, available)}')


class _NumpyWithInt(ModuleType):
    """numpy with the name `int` that older code uses for Python's own type."""

    int = int

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _as_tensor(function: Callable[..., np.ndarray]) -> Callable[..., torch.Tensor]:
    """`function` with a tensor for its result, which can be saved as plain data."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> torch.Tensor:
        return torch.from_numpy(function(*args, **kwargs))

    return wrapper


def _check_image(path: str) -> bool:
    if not Path(path).is_file():
        raise UserError(f"image not found: {path}")
    return True


def _with_user_errors(function: Callable) -> Callable:
    """`function` with its complaints about names and types in the configuration turned into UserErrors."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (ValueError, TypeError) as error:
            raise UserError(str(error)) from error

    return wrapper


def _checking_transforms(function: Callable, known: list[str]) -> Callable:
    """`build_transform` with a check of the names that says which one is wrong."""

    @wraps(function)
    def wrapper(cfg: Any, is_train: bool = True, choices: Any = None) -> Any:
        for name in cfg.INPUT.TRANSFORMS if choices is None else choices:
            _check_availability("INPUT.TRANSFORMS: unknown", name, known)
        return function(cfg, is_train=is_train, choices=choices)

    return wrapper


def _from_console(logger: Any, name: str) -> Any:
    if name in ("console", "file"):  # not set yet: without this the look-up would not end
        raise AttributeError(name)
    return getattr(logger.console, name)


def _write_line_by_line(logger: Any, text: str) -> None:
    logger.console.write(text)
    if logger.file is not None and not logger.file.closed:
        logger.file.write(text)
        if "\n" in text:
            logger.file.flush()  # a killed run keeps its log


def _close_file(logger: Any) -> None:
    if logger.file is not None:
        logger.file.close()
