"""What is computed from a model's outputs on the validation or test split."""

from .build import EVALUATOR_REGISTRY, build_evaluator  # isort: skip  (the evaluators register themselves in it)
from .evaluator import Classification, EvaluatorBase

__all__ = ["EVALUATOR_REGISTRY", "Classification", "EvaluatorBase", "build_evaluator"]
