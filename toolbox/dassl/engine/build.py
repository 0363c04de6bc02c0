"""Trainers by name."""

from yacs.config import CfgNode

from dassl.utils import Registry

from .base import TrainerBase

TRAINER_REGISTRY = Registry("TRAINER")


def build_trainer(cfg: CfgNode) -> TrainerBase:
    """The trainer `cfg.TRAINER.NAME`, with data and model built; UserError when there is none of that name."""
    trainer = TRAINER_REGISTRY.get(cfg.TRAINER.NAME)
    if cfg.VERBOSE:
        print(f"Loading trainer: {cfg.TRAINER.NAME}")
    return trainer(cfg)
