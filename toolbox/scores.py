"""The one table of metrics: names, direction, chance, and of which a mean of base and new classes makes sense."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """A metric on a scale of 0-100.

    `lower`: less is better. `averaged`: it is a share of right answers, from 0, so that the harmonic mean of base and new
    classes says something; AUC has its chance level at 50, kappa can be negative, and a calibration error is no merit.
    """

    title: str
    lower: bool = False
    averaged: bool = False


SCORES = {
    "accuracy": Score("Accuracy", averaged=True),
    "macro_f1": Score("Macro-F1", averaged=True),
    "balanced_accuracy": Score("Balanced acc.", averaged=True),
    "auc": Score("AUC"),
    "kappa": Score("Kappa"),
    "ece": Score("ECE", lower=True),
}
"""In the order tables show them."""


def chance_accuracy(n_cls: int) -> float:
    """Accuracy in percent of guessing among `n_cls` classes, whatever their shares."""
    return 100.0 / n_cls
