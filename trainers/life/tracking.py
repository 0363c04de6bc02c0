"""Weights & Biases beside TensorBoard, for those who ask for it: WANDB <project>."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from yacs.config import CfgNode

from toolbox.errors import UserError


@contextmanager
def tracked(cfg: CfgNode, folder: Path) -> Iterator[None]:
    """Send what TensorBoard is given to the project `cfg.WANDB` as well, under the output folder's name; "" sends nothing.

    Raises:
        UserError: the wandb package is not installed.
    """
    if not cfg.WANDB:
        yield
        return
    try:
        import wandb
    except ImportError as error:
        raise UserError(
            "WANDB names a project but the package is missing: pip install wandb, or set WANDB ''"
        ) from error
    settings = yaml.safe_load(cfg.dump())
    run = wandb.init(project=cfg.WANDB, name=str(folder), dir=str(folder), config=settings, sync_tensorboard=True)
    try:
        yield
    finally:
        run.finish()
