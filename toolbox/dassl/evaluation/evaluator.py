"""Accuracy and macro F1 over a split, printed as the `=> result` block that other people's scripts parse."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import confusion_matrix, f1_score
from yacs.config import CfgNode

from toolbox.errors import UserError
from toolbox.files import atomic_write

from .build import EVALUATOR_REGISTRY


class EvaluatorBase:
    """Interface: `reset`, then `process` a batch at a time, then `evaluate`."""

    def __init__(self, cfg: CfgNode) -> None:
        self.cfg = cfg

    def reset(self) -> None:
        """Forget everything."""
        raise NotImplementedError

    def process(self, mo: torch.Tensor, gt: torch.Tensor) -> None:
        """Take in the model's output and the ground truth of a batch."""
        raise NotImplementedError

    def evaluate(self) -> dict[str, float]:
        """The results by name; the first is the one that decides which model is best."""
        raise NotImplementedError


@EVALUATOR_REGISTRY.register()
class Classification(EvaluatorBase):
    """Accuracy, error rate, macro F1 (over classes that occur), all in percent; on request per class, and confusion."""

    def __init__(self, cfg: CfgNode, lab2cname: dict[int, str] | None = None, **kwargs: Any) -> None:
        super().__init__(cfg)
        if cfg.TEST.PER_CLASS_RESULT and lab2cname is None:
            raise ValueError("TEST.PER_CLASS_RESULT needs the names of the classes")
        self._lab2cname = lab2cname
        self.reset()

    def reset(self) -> None:
        self._y_true: list[int] = []
        self._y_pred: list[int] = []

    def process(self, mo: torch.Tensor, gt: torch.Tensor) -> None:
        """Take in logits `mo` (batch, n_cls) and labels `gt` (batch,)."""
        self._y_true += gt.tolist()
        self._y_pred += mo.argmax(dim=1).tolist()

    def evaluate(self) -> dict[str, float]:
        if not self._y_true:
            raise UserError("nothing to evaluate: the split is empty")
        true, predicted = np.array(self._y_true), np.array(self._y_pred)
        total, correct = len(true), int((true == predicted).sum())
        results = {
            "accuracy": 100.0 * correct / total,
            "error_rate": 100.0 - 100.0 * correct / total,
            "macro_f1": 100.0 * float(f1_score(true, predicted, average="macro", labels=np.unique(true))),
        }
        print("=> result")
        print(f"* total: {total:,}")
        print(f"* correct: {correct:,}")
        print(f"* accuracy: {results['accuracy']:.1f}%")
        print(f"* error: {results['error_rate']:.1f}%")
        print(f"* macro_f1: {results['macro_f1']:.1f}%")
        if self.cfg.TEST.PER_CLASS_RESULT:
            results["perclass_accuracy"] = self._print_classes(true, predicted)
        if self.cfg.TEST.COMPUTE_CMAT:
            self._save_confusion(true, predicted)
        return results

    def _print_classes(self, true: np.ndarray, predicted: np.ndarray) -> float:
        print("=> per-class result")
        accuracies = []
        for label in np.unique(true).tolist():
            hits = predicted[true == label] == label
            accuracies.append(100.0 * float(hits.mean()))
            print(
                f"* class: {label} ({self._lab2cname[label]})\t"
                f"total: {len(hits):,}\tcorrect: {int(hits.sum()):,}\tacc: {accuracies[-1]:.1f}%"
            )
        mean = float(np.mean(accuracies))
        print(f"* average: {mean:.1f}%")
        return mean

    def _save_confusion(self, true: np.ndarray, predicted: np.ndarray) -> None:
        """Write the matrix (true class, predicted class), rows summing to 1, as a tensor."""
        path = Path(self.cfg.OUTPUT_DIR) / "cmat.pt"
        content = io.BytesIO()  # in memory: torch's own writer hides what is wrong with a disk
        torch.save(torch.from_numpy(confusion_matrix(true, predicted, normalize="true")), content)
        atomic_write(path, lambda part: part.write_bytes(content.getbuffer()))
        print(f"Confusion matrix is saved to {path}")
