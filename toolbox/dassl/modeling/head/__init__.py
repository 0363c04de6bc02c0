"""Heads between backbone and classifier by name."""

from .build import HEAD_REGISTRY, build_head  # isort: skip  (the heads register themselves in it)
from .mlp import MLP, mlp

__all__ = ["HEAD_REGISTRY", "MLP", "build_head", "mlp"]
