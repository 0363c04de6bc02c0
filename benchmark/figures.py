"""Figures that a paper or a reproduction states, in a plan's `stated`, to compare finished runs with.

stated:
  source: https://...                       # where the figures can be read
  tolerance: 1.0                            # points; a figure may have its own
  gpu_hours: 4                              # what all runs of the plan take, as far as is known
  rows: meta-llama/Meta-Llama-3-8B          # CILMP: the language model
  data: {kvasir: {classes: 8, test: 800}}   # what the figures were measured on
  figures:
    - {method: CILMP, dataset: kvasir, metric: accuracy, value: 93.80}
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolbox.errors import UserError, nearest
from toolbox.scores import SCORES

MEAN_OF_HMS, HM_OF_MEANS = "mean of HMs", "HM of means"
BASE2NEW = ("base", "new", MEAN_OF_HMS, HM_OF_MEANS)
_KEYS = ("source", "tolerance", "gpu_hours", "rows", "data", "figures")
_OF_DATA = ("classes", "test")
_OF_FIGURE = ("method", "dataset", "metric", "shots", "side", "value", "tolerance")


@dataclass(frozen=True)
class Figure:
    """One number of a published table."""

    method: str
    """As in the plan's methods, with the variant."""
    value: float
    """On a scale of 0-100 (kappa: times 100)."""
    tolerance: float
    """Points that the mean of our runs may be away."""
    dataset: str | None = None
    """None: the mean over all data sets of the plan."""
    metric: str = "accuracy"
    shots: int | None = None
    side: str = "all"
    """The classes tested, or one of the averages of base and new."""

    def title(self, datasets: Sequence[str]) -> str:
        """What is measured, short enough for a table; `datasets` are the plan's."""
        data = self.dataset or ("mean" if len(datasets) > 1 else datasets[0])
        parts = [self.method, data, "" if self.shots is None else f"{self.shots} shots"]
        parts += ["" if self.side == "all" else self.side, SCORES[self.metric].title]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Stated:
    """A plan's `stated`."""

    source: str
    figures: tuple[Figure, ...]
    gpu_hours: float | None = None
    data: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Data set -> `classes` and `test` images, base and new together."""
    rows: str | None = None
    """The language model whose rows CILMP had."""


def read_stated(value: Any) -> Stated:
    """`stated` as YAML has it. Raises UserError that names the key that does not fit."""
    told = _mapping(value, "stated", _KEYS)
    if not isinstance(told.get("source"), str):
        raise UserError("the plan's stated needs a source: the address where its figures can be read")
    figures = told.get("figures")
    if not isinstance(figures, list) or not figures:
        raise UserError("the plan's stated needs figures: a list such as [{method: CILMP, value: 93.8}]")
    hours = None if told.get("gpu_hours") is None else _number(told["gpu_hours"], "gpu_hours")
    data = {
        str(name): {
            key: _whole(n, f"data, {name}, {key}") for key, n in _mapping(of, f"data, {name}", _OF_DATA).items()
        }
        for name, of in _mapping(told.get("data", {}), "data").items()
    }
    if not isinstance(told.get("rows"), str | None):
        raise UserError(
            "the plan's stated: rows must be the name of a language model, such as meta-llama/Meta-Llama-3-8B"
        )
    made = tuple(_figure(figure, told.get("tolerance"), number) for number, figure in enumerate(figures, start=1))
    return Stated(told["source"], made, hours, data, told.get("rows"))


def _figure(value: Any, tolerance: Any, number: int) -> Figure:
    where = f"figure {number}"
    told = {"tolerance": tolerance, "metric": "accuracy", "side": "all", **_mapping(value, where, _OF_FIGURE)}
    for key in ("value", "tolerance"):
        told[key] = _number(told.get(key), f"{where}, {key}")
    if told["tolerance"] < 0:
        raise UserError(f"the plan's stated: {where}, tolerance must not be below 0")
    if told.get("shots") is not None:
        told["shots"] = _whole(told["shots"], f"{where}, shots")
    for key in ("method", "metric", "side", "dataset"):
        if not isinstance(told.get(key), str) and (key != "dataset" or key in told):
            raise UserError(f"the plan's stated: {where} needs a {key} in words")
    return Figure(**told)


def check_stated(
    stated: Stated, protocol: str, methods: Sequence[str], datasets: Sequence[str], shots: Sequence[int]
) -> None:
    """Pass if the plan makes the runs that each figure is a mean of. Raises UserError that names the figure."""
    sides = BASE2NEW if protocol == "base2new" else ("all",)
    for name in stated.data:
        _one_of(name, datasets, f"the plan's stated: data names {name}")
    for figure in stated.figures:
        where = f"the plan's stated: a figure of {figure.method} names"
        _one_of(figure.method, methods, where)
        _one_of(figure.metric, tuple(SCORES), where)
        _one_of(figure.side, sides, where)
        if figure.dataset is not None:
            _one_of(figure.dataset, datasets, where)
        if figure.shots is not None and figure.shots not in shots:
            raise UserError(f"{where} {figure.shots} shots, which the plan does not have: {', '.join(map(str, shots))}")
        if figure.shots is None and len(shots) > 1:
            raise UserError(f"the plan's stated: a figure of {figure.method} must say which of the plan's shots it has")
        if figure.side in (MEAN_OF_HMS, HM_OF_MEANS) and not SCORES[figure.metric].averaged:
            raise UserError(f"{where} {figure.side} of {figure.metric}, of which no harmonic mean is taken")


def _one_of(name: str, known: Sequence[str], where: str) -> None:
    if name not in known:
        raise UserError(f"{where} {name!r}; {nearest(name, known)}")


def _mapping(value: Any, where: str, known: Sequence[str] = ()) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise UserError(f"the plan's stated: {where} must be KEY: VALUE pairs")
    for key in value:
        if known and key not in known:
            raise UserError(f"the plan's stated: unknown key {key!r} in {where}; {nearest(str(key), known)}")
    return dict(value)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"the plan's stated: {where} must be a number, not {value!r}")
    return float(value)


def _whole(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UserError(f"the plan's stated: {where} must be a whole number, not {value!r}")
    return value
