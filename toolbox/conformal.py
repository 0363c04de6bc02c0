"""Prediction sets that hold the true class with a chosen probability (split conformal prediction).

A score r(x, y) says how odd class y is for image x. Of n calibration images, which trained and chose nothing, tau is the k-th
smallest score of the true classes, k = ceil((n + 1)(1 - alpha)). The set of an image is {y: r(x, y) <= tau}: if it and the
calibration images are exchangeable, the set holds its true class with a probability of at least 1 - alpha
(Vovk et al., 2005; Angelopoulos and Bates, 2023).

    LAC   r = 1 - p_y                                                      (Sadinle et al., 2019)
    APS   r = sum of the probabilities of likelier classes + u p_y         (Romano et al., 2020)
    RAPS  r = APS + 0.001 max(0, rank_y - 1), the likeliest class has rank 1  (Angelopoulos et al., 2021)

u is 1, or drawn from U(0, 1) once an image: then coverage is exact and sets are smaller, and two calls differ.
"""

from fractions import Fraction
from math import ceil, inf

import numpy as np

SCORES = ("lac", "aps", "raps")
PENALTY = 0.001  # of RAPS, a rank beyond the first
DECIMALS = 9  # of scores: what is equal but for rounding is a tie


def rank(n: int, coverage: str | float) -> int:
    """k of n calibration images, in whole numbers: 0.9 is nine tenths here, which it is not in floats."""
    return ceil((n + 1) * _exact(coverage))


def fewest(coverage: str | float) -> int:
    """The fewest calibration images with which a set is not always all classes: 9 for 0.9, 19 for 0.95, 99 for 0.99."""
    return ceil(1 / (1 - _exact(coverage))) - 1


def _exact(coverage: str | float) -> Fraction:
    return Fraction(str(coverage))


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax of logits (n, n_cls) in float64: in float32 a sure model's p is 1 and all its scores are ties."""
    shifted = logits.astype(np.float64)
    shifted = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def scores(probability: np.ndarray, kind: str, u: np.ndarray | None = None) -> np.ndarray:
    """r of every class, (n, n_cls).

    Args:
        probability: (n, n_cls); scaled to sum 1 in float64.
        kind: one of `SCORES`.
        u: (n,) of numbers from 0 to 1 for APS and RAPS; None takes 1.
    """
    p = probability.astype(np.float64)
    p = p / p.sum(axis=1, keepdims=True)
    if kind == "lac":
        return np.round(1 - p, DECIMALS)
    likelier = p[:, None, :] > p[:, :, None]  # [image, y, other]: whether the other class is likelier than y
    found = (likelier * p[:, None, :]).sum(axis=2) + (1.0 if u is None else u[:, None]) * p
    if kind == "raps":
        found = found + PENALTY * likelier.sum(axis=2)
    return np.round(found, DECIMALS)


def threshold(of_true: np.ndarray, coverage: str | float) -> float:
    """tau of the scores (n,) of calibration images' true classes; infinite, and every class in every set, where k > n."""
    k = rank(len(of_true), coverage)
    return float(np.sort(of_true)[k - 1]) if k <= len(of_true) else inf


def class_thresholds(of_true: np.ndarray, labels: np.ndarray, n_cls: int, coverage: str | float) -> np.ndarray:
    """tau of each class, (n_cls,), from its own images alone: the guarantee then holds in each class (Mondrian)."""
    return np.array([threshold(of_true[labels == c], coverage) for c in range(n_cls)])


def sets(found: np.ndarray, tau: float | np.ndarray) -> np.ndarray:
    """Which classes (n, n_cls) are in the set of each image, for scores (n, n_cls) and one threshold or one a class."""
    return found <= tau


def measures(members: np.ndarray, labels: np.ndarray, coverage: float) -> dict[str, float]:
    """What sets (n, n_cls) of images with these labels are worth.

    Returns:
        coverage: share of sets with the true class; size: classes a set; empty, single: shares of sets of none and of one;
        gap: mean over classes of |coverage of the class - wanted| (in all as shares, 100 x gap is the CCV of papers);
        worst: the least coverage of a class. Classes without an image do not count.
    """
    by_class = class_coverage(members, labels)
    by_class = by_class[~np.isnan(by_class)]
    size = members.sum(axis=1)
    return {
        "coverage": float(members[np.arange(len(labels)), labels].mean()),
        "size": float(size.mean()),
        "empty": float((size == 0).mean()),
        "single": float((size == 1).mean()),
        "gap": float(np.abs(by_class - coverage).mean()),
        "worst": float(by_class.min()),
    }


def class_coverage(members: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The share of each class's images that have it in their set, (n_cls,); nan for a class without an image."""
    hit = members[np.arange(len(labels)), labels]
    images = np.bincount(labels, minlength=members.shape[1])
    with np.errstate(invalid="ignore"):
        return np.bincount(labels, weights=hit, minlength=members.shape[1]) / images
