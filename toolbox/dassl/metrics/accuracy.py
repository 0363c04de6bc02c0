"""Top-k accuracy of a batch."""

from toolbox.metrics import compute_accuracy

__all__ = ["compute_accuracy"]
