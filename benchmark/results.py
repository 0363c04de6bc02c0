"""Reading what runs left on disk: `result.json`, or, for runs of other repositories, the end of `log.txt`."""

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from benchmark.logs import read_log
from datasets.quotas import COOP
from toolbox import run_files
from toolbox.errors import UserError
from toolbox.run_files import BEFORE, RESULT, Predictions, read_result
from toolbox.scores import SCORES
from toolbox.words import sentence

METRICS = {name: score.title for name, score in SCORES.items()}
"""Metrics in the order tables show them; all on a scale of 0-100 (kappa: times 100)."""


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
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    """Empty for runs of earlier versions and of other repositories."""
    predictions: str | None = None
    """SHA-256 of what is in predictions.npz."""
    rows: Mapping[str, str] | None = None
    """CILMP: the language model's rows: "kind" (real or a control), "file", "sha256", "scaling"."""
    class_text: str = "name"
    """What stood for a class in prompts: its name, description or plain words."""
    draw: str = COOP
    """The few-shot draw (`datasets.quotas`)."""
    source: str | None = None
    """Cross-data-set runs: the data set trained on."""

    @property
    def variant(self) -> str:
        """The part of the folder's name after METHOD/: the configuration, with backbone or variant where they differ."""
        parts = self.folder.parts
        after = parts[len(parts) - parts[::-1].index(self.method) :] if self.method in parts else ()
        name = re.sub(r"_-?\d+shots(_\w+)?$", "", after[0]) if after else ""
        return name if name.startswith(self.cfg) else self.cfg

    def value(self, metric: str) -> float | None:
        """The metric on a scale of 0-100, or None where the run did not measure it, or it means nothing there."""
        found = self.metrics.get(metric)
        return None if found is None else float(found)

    def undefined(self, metric: str) -> str | None:
        """Why the metric means nothing on this run's test images; None where it does."""
        return self.metrics.get("undefined", {}).get(metric)


def read_results(places: Iterable[Path], placed: bool = True) -> list[Result]:
    """All finished runs in or below the given folders, in path order.

    Folders that --again moved aside (NAME.before-1) count only where they are named. A folder with a `log.txt` and no
    `result.json` counts as `benchmark.logs` reads it; one whose method or data set is not to be found is named on
    standard error, or, without `placed`, counts as well.
    Raises UserError for a folder that does not exist or a result.json that cannot be read.
    """
    folders: dict[Path, None] = {}
    for place in map(Path, places):
        if not place.is_dir():
            raise UserError(f"{place} is not a folder: name a folder with runs, such as output/base2new")
        for path in sorted([*place.rglob(RESULT), *place.rglob("log.txt")]):
            if not any(BEFORE.search(part) for part in path.parent.relative_to(place).parts):
                folders[path.parent] = None
    results = [_read_json(f) if (f / RESULT).exists() else _read_log(f, placed) for f in folders]
    return [result for result in results if result is not None]


def _read_json(folder: Path) -> Result:
    data = read_result(folder)
    data["classnames"] = tuple(data["classnames"])
    kept = {f.name: data[f.name] for f in fields(Result) if data.get(f.name) is not None}
    return Result(**{**kept, "folder": folder, "backbone": data["backbone"], "source": _source(folder)})


def _source(folder: Path) -> str | None:
    name = folder.parent.name
    return name.split("-to-", 1)[0] if "-to-" in name else None


def _read_log(folder: Path, placed: bool) -> Result | None:
    """A run of the CoOp family without result.json; None, and a line on standard error, for one that is not understood."""
    told = read_log(folder, placed)
    if isinstance(told, str):
        print(f"note: {sentence(told)}", file=sys.stderr)
        return None
    return None if told is None else Result(folder, backbone=None, **vars(told))


def read_predictions(result: Result) -> Predictions | None:
    """The run's predictions in the order of image names, or None where it kept none. UserError for damaged ones."""
    return run_files.read_predictions(result.folder, len(result.classnames), result.predictions)
