"""What a classifier's predictions are worth, by scikit-learn; all on a 0-100 scale (see `toolbox.scores`)."""

import warnings

import numpy as np
from sklearn import metrics


def evaluate(logits: np.ndarray, labels: np.ndarray, classnames: list[str]) -> dict:
    """Metrics of logits (n, n_cls) against labels (n,).

    accuracy, macro_f1, balanced_accuracy, auc (one against rest, macro over the classes that occur), kappa (Cohen's),
    ece (15 equal bins of the top class's probability), per_class accuracy by name, the confusion matrix (true x
    predicted, counts), and undefined: the reason, by name, for each metric that is None because it means nothing here.
    """
    every = np.arange(len(classnames))
    predicted = logits.argmax(1)
    shifted = np.exp(logits - logits.max(1, keepdims=True), dtype=np.float64)
    probabilities = shifted / shifted.sum(1, keepdims=True)
    confusion = metrics.confusion_matrix(labels, predicted, labels=every)
    counts = confusion.sum(1)
    present = counts > 0
    recall = np.divide(confusion.diagonal(), counts, out=np.zeros(len(every)), where=present)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class that is never predicted has F1 0, which is what we report
        macro_f1 = metrics.f1_score(labels, predicted, average="macro", labels=every[present])
        kappa = metrics.cohen_kappa_score(labels, predicted, labels=every)
    found = {
        "accuracy": 100.0 * float((predicted == labels).mean()),
        "macro_f1": 100.0 * float(macro_f1),
        "balanced_accuracy": 100.0 * float(recall[present].mean()),
        "auc": _auc(probabilities, labels, every[present]),
        "kappa": 100.0 * float(kappa),
        "ece": 100.0 * calibration_error(probabilities, labels),
    }
    alone = f"all {len(labels)} test images are of one class ({classnames[every[present][0]]})"
    undefined = {name: alone for name, value in found.items() if not np.isfinite(value)}
    return {
        **{name: None if name in undefined else value for name, value in found.items()},
        "undefined": undefined,
        "per_class": {name: 100.0 * float(r) for name, r, p in zip(classnames, recall, present, strict=True) if p},
        "confusion": confusion.tolist(),
    }


def _auc(probabilities: np.ndarray, labels: np.ndarray, present: np.ndarray) -> float:
    """Mean over classes of the area under the curve of that class against the rest, in percent; NaN for one class."""
    if len(present) < 2:
        return float("nan")
    return 100.0 * float(np.mean([metrics.roc_auc_score(labels == c, probabilities[:, c]) for c in present]))


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error in 0..1: |accuracy - confidence| a bin, weighted by the bin's share (Guo et al. 2017)."""
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == labels
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    share = np.bincount(which, minlength=bins) / len(labels)
    filled = share > 0
    accuracy = np.bincount(which, correct, minlength=bins)[filled] / np.bincount(which, minlength=bins)[filled]
    mean_confidence = (
        np.bincount(which, confidence, minlength=bins)[filled] / np.bincount(which, minlength=bins)[filled]
    )
    return float(np.sum(share[filled] * np.abs(accuracy - mean_confidence)))
