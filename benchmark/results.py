"""Reading what runs left on disk: `result.json`, or, for runs of other repositories, the end of `log.txt`."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from toolbox.errors import UserError
from toolbox.seals import check_seal

METRICS = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "balanced_accuracy": "Balanced acc.",
    "auc": "AUC",
    "kappa": "Kappa",
    "ece": "ECE",
}
"""Metrics in the order tables show them; all on a scale of 0-100 (kappa: times 100)."""

LOWER_IS_BETTER = {"ece"}

_LOG_NAMES = {"accuracy": "accuracy", "macro_f1": "macro_f1", "auc": "auc", "kappa": "kappa"}


@dataclass(frozen=True)
class Result:
    """One finished run."""

    folder: Path
    method: str
    dataset: str
    subset: str
    shots: int | None
    seed: int
    cfg: str
    backbone: str | None
    metrics: Mapping[str, Any]
    backbone_hash: str | None = None
    transform: str | None = None
    split: Mapping[str, str] = field(default_factory=dict)
    classnames: tuple[str, ...] = ()
    trainable_params: int | None = None
    time: Mapping[str, float] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    synthetic: bool = False
    source: str | None = None
    """Cross-data-set runs: the data set trained on."""

    @property
    def variant(self) -> str:
        """The part of the folder's name after METHOD/: the configuration, with backbone or variant where they differ."""
        parts = self.folder.parts
        after = parts[len(parts) - parts[::-1].index(self.method) :] if self.method in parts else ()
        name = re.sub(r"_-?\d+shots$", "", after[0]) if after else ""
        return name if name.startswith(self.cfg) else self.cfg

    def value(self, metric: str) -> float | None:
        """The metric on a scale of 0-100, or None where the run did not measure it."""
        found = self.metrics.get(metric)
        return None if found is None else float(found)


def read_results(places: Iterable[Path]) -> list[Result]:
    """All finished runs in or below the given folders, in path order.

    A folder with a `log.txt` and no `result.json` counts when the log ends in a `=> result` block.
    Raises UserError for a folder that does not exist or a result.json that cannot be read.
    """
    folders: dict[Path, None] = {}
    for place in map(Path, places):
        if not place.is_dir():
            raise UserError(f"{place} is not a folder: name a folder with runs, such as output/base2new")
        for path in sorted([*place.rglob("result.json"), *place.rglob("log.txt")]):
            folders[path.parent] = None
    results = [_read_json(f) if (f / "result.json").exists() else _read_log(f) for f in folders]
    return [result for result in results if result is not None]


def _read_json(folder: Path) -> Result | None:
    path = folder / "result.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        check_seal(data, path, "remove it and run again")
        if data.get("status") != "finished":
            return None
        data["classnames"] = tuple(data.get("classnames") or ())
        required = {
            key: data[key] for key in ("method", "dataset", "subset", "shots", "seed", "cfg", "backbone", "metrics")
        }
        optional = (
            "backbone_hash",
            "transform",
            "split",
            "classnames",
            "trainable_params",
            "time",
            "peak_memory_mb",
            "synthetic",
        )
        return Result(
            folder, **required, **{k: data[k] for k in optional if data.get(k) is not None}, source=_source(folder)
        )
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{path} cannot be read ({error}): remove it and run again") from error
    except KeyError as error:
        raise UserError(f"{path} has no {error}: remove it and run again") from error


def _source(folder: Path) -> str | None:
    name = folder.parent.name
    return name.split("-to-", 1)[0] if "-to-" in name else None


def _read_log(folder: Path) -> Result | None:
    """A run of the CoOp family without result.json: metrics from the log's last block, the rest from the folder's name."""
    metrics = parse_log(folder / "log.txt")
    if not metrics:
        return None
    parts = folder.parts
    shots = next((int(m[1]) for part in parts if (m := re.fullmatch(r"shots_(\d+)", part))), None)
    seed = next((int(m[1]) for part in reversed(parts) if (m := re.fullmatch(r"seed(\d+)", part))), 0)
    known = [p for p in parts if not re.fullmatch(r"(shots_|seed)\d+", p)]
    dataset, method, cfg = ["?", "?", "?", *known][-3:]
    subset = "base" if "train_base" in parts else "new" if "test_new" in parts else "all"
    return Result(folder, method, dataset, subset, shots, seed, cfg, None, metrics)


def parse_log(path: Path) -> dict[str, float]:
    """Metrics of the last `=> result` block of a Dassl log: lines such as `* accuracy: 83.3%`."""
    text = path.read_text(encoding="utf-8", errors="replace")
    _, found, tail = text.rpartition("=> result")
    pairs = re.findall(r"^\* (\w+): ([\d.,]+)%?\s*$", tail, flags=re.MULTILINE) if found else []
    return {_LOG_NAMES[k]: float(v.replace(",", "")) for k, v in pairs if k in _LOG_NAMES}


@dataclass(frozen=True)
class Predictions:
    """What a run said of each test image."""

    paths: np.ndarray
    """(images,) names of the image files."""
    labels: np.ndarray
    """(images,) true classes."""
    logits: np.ndarray
    """(images, n_cls)"""

    @property
    def correct(self) -> np.ndarray:
        """(images,) 1.0 where the highest logit is the true class's."""
        return (self.logits.argmax(axis=1) == self.labels).astype(float)

    @property
    def probabilities(self) -> np.ndarray:
        """(images, n_cls) softmax of the logits."""
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)


def read_predictions(result: Result) -> Predictions | None:
    """The run's predictions in the order of image names, or None where it kept none."""
    path = result.folder / "predictions.npz"
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as data:
            order = np.argsort(data["paths"], kind="stable")
            return Predictions(*(data[key][order] for key in ("paths", "labels", "logits")))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} cannot be read ({error}): remove the run's folder and run again") from error
