"""Evaluators by name."""

from typing import Any

from yacs.config import CfgNode

from dassl.utils import Registry

EVALUATOR_REGISTRY = Registry("EVALUATOR")


def build_evaluator(cfg: CfgNode, **kwargs: Any) -> Any:
    """The evaluator `cfg.TEST.EVALUATOR`; UserError when there is none of that name."""
    evaluator = EVALUATOR_REGISTRY.get(cfg.TEST.EVALUATOR)
    if cfg.VERBOSE:
        print(f"Loading evaluator: {cfg.TEST.EVALUATOR}")
    return evaluator(cfg, **kwargs)
