"""Probabilities that mean what they say: temperature scaling, reliability, and what refusing the least certain is worth."""

import numpy as np
from scipy.optimize import minimize_scalar

from toolbox.conformal import probabilities
from trainers.life.metrics import calibration_error


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T > 0 at which softmax(logits / T) has the least cross-entropy on these images (Guo et al., ICML 2017).

    Classes keep their order, so no prediction changes. Between 0.01 and 100.
    """
    found = minimize_scalar(
        lambda log: cross_entropy(logits / np.exp(log), labels), bounds=(np.log(0.01), np.log(100)), method="bounded"
    )
    return float(np.exp(found.x))


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -log p of the true classes (n,), from logits (n, n_cls)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]).mean())


def risk_coverage(probability: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Error among the k most certain images, (n,) for k = 1..n (Geifman and El-Yaniv, NeurIPS 2017); equals in their order."""
    order = np.argsort(-probability.max(axis=1), kind="stable")
    wrong = (probability.argmax(axis=1) != labels)[order]
    return wrong.cumsum() / np.arange(1, len(labels) + 1)


def aurc(probability: np.ndarray, labels: np.ndarray) -> float:
    """Area under the risk-coverage curve, 0-100; less is better. It mixes accuracy with how well doubt finds errors."""
    return float(100 * risk_coverage(probability, labels).mean())


def reliability(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """ECE and AURC on a scale of 0-100, and cross-entropy, of logits (n, n_cls).

    ECE is biased upwards on few images: a perfectly calibrated model has one above 0 there.
    """
    p = probabilities(logits)
    return {
        "ece": 100 * calibration_error(p, labels),
        "cross_entropy": cross_entropy(logits, labels),
        "aurc": aurc(p, labels),
    }


def shifted(probability: np.ndarray, trained: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Probabilities (n, n_cls) where classes have other shares than in training: p(y | x) there(y) / trained(y), scaled.

    Right where only the shares differ and each class looks as it did (Saerens et al., Neural Computation 2002, with the new
    shares known).

    Args:
        trained, there: (n_cls,) shares of the classes.
    """
    found = probability * (there / trained)
    return found / found.sum(axis=1, keepdims=True)
