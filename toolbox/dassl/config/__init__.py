"""The configuration tree; other people's yaml files merge into it."""

from yacs.config import CfgNode

from .defaults import defaults

cfg_default = defaults()
"""The defaults themselves; `get_cfg_default` gives a copy."""


def get_cfg_default() -> CfgNode:
    """A fresh copy of the defaults, to extend and merge into."""
    return cfg_default.clone()


def clean_cfg(cfg: CfgNode, trainer: str) -> None:
    """Drop the sections of all other trainers from `cfg.TRAINER`, so that printing it shows what matters."""
    for key in list(cfg.TRAINER):
        if key not in ("NAME", trainer.upper()):
            del cfg.TRAINER[key]
