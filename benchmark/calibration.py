"""What calibration images say of a run, kept in its folder: conformal.json, sealed and bound to the run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan
from pathlib import Path
from typing import Any

import numpy as np

from toolbox.conformal import SCORES, class_thresholds, fewest, probabilities, rank, scores, sets, threshold
from toolbox.errors import UserError
from toolbox.files import atomic_json
from toolbox.plain import parse_json
from toolbox.seals import KEY, check_seal, seal

FILE = "conformal.json"


@dataclass(frozen=True)
class Calibration:
    """Thresholds of a run's prediction sets.

    Attributes:
        run: the seal of its result.json.
        score: one of `toolbox.conformal.SCORES`, with u = 1.
        temperature: what logits are divided by; 1 leaves them as they are.
        classnames: in the run's order.
        counts: calibration images of each class.
        thresholds: coverage ("0.9") to tau, and to one a class; infinite where there are too few images.
        images: their SHA-256.
        epoch: of the weights.
    """

    run: str
    score: str
    temperature: float
    classnames: tuple[str, ...]
    counts: tuple[int, ...]
    thresholds: Mapping[str, tuple[float, tuple[float, ...]]]
    images: tuple[str, ...]
    epoch: int | None = None

    @classmethod
    def of(
        cls,
        result: Mapping[str, Any],
        logits: np.ndarray,
        labels: np.ndarray,
        images: Sequence[str],
        coverages: Sequence[str],
        score: str = "lac",
        temperature: float = 1.0,
        epoch: int | None = None,
    ) -> "Calibration":
        """From logits (n, n_cls) and labels (n,) of images that the run has not seen.

        Raises:
            UserError: there are too few of them for a coverage.
        """
        for coverage in coverages:
            if len(labels) < fewest(coverage):
                raise UserError(
                    f"{len(labels)} calibration images are too few for a coverage of {coverage}: it takes "
                    f"{fewest(coverage)}, with fewer every set would hold all classes"
                )
        names, n_cls = tuple(result["classnames"]), logits.shape[1]
        own = scores(probabilities(logits / temperature), score)[np.arange(len(labels)), labels]
        found = {
            coverage: (threshold(own, coverage), tuple(class_thresholds(own, labels, n_cls, coverage).tolist()))
            for coverage in coverages
        }
        counts = tuple(np.bincount(labels, minlength=n_cls).tolist())
        return cls(result[KEY], score, temperature, names, counts, found, tuple(sorted(images)), epoch)

    def check(self) -> None:
        """Raises ValueError where a field holds what no calibration gives: a seal can be put on anything."""
        n_cls, lists = len(self.classnames), [of_classes for _, of_classes in self.thresholds.values()]
        taus = [tau for overall, of_classes in self.thresholds.values() for tau in (overall, *of_classes)]
        for right, what in (
            (
                all(isinstance(text, str) for text in (*self.classnames, *self.images)),
                "classes and images must be texts",
            ),
            (all(type(n) is int and n >= 0 for n in self.counts), "counts must be whole numbers"),
            (all(len(of) == n_cls for of in (self.counts, *lists)), f"not everything is said of {n_cls} classes"),
            (0 < self.temperature < inf, "the temperature must be above 0"),
            (not any(isnan(tau) for tau in taus), "a threshold is no number"),
            (self.epoch is None or (type(self.epoch) is int and self.epoch >= 0), "epoch must be a whole number"),
        ):
            if not right:
                raise ValueError(what)

    @property
    def n(self) -> int:
        """Calibration images."""
        return sum(self.counts)

    def sets(self, logits: np.ndarray, coverage: str, by_class: bool = False) -> np.ndarray:
        """Which classes (n, n_cls) are in the set of each image, by its logits (n, n_cls)."""
        tau, of_classes = self.thresholds[coverage]
        return sets(
            scores(probabilities(logits / self.temperature), self.score), np.array(of_classes) if by_class else tau
        )

    def save(self, folder: Path) -> Path:
        """Write the file into the run's folder."""
        thresholds = {
            coverage: {"k": rank(self.n, coverage), "tau": _plain(tau), "by_class": [_plain(t) for t in of_classes]}
            for coverage, (tau, of_classes) in self.thresholds.items()
        }
        value = {key: list(item) if isinstance(item, tuple) else item for key, item in vars(self).items()}
        atomic_json(folder / FILE, seal({**value, "thresholds": thresholds}))
        return folder / FILE

    @classmethod
    def read(cls, folder: Path, result: Mapping[str, Any]) -> "Calibration":
        """The calibration of the run with this result.

        Raises:
            UserError: there is none, it is damaged or edited, or of another run.
        """
        path, remedy = folder / FILE, "calibrate again with `python -m cilmp calibrate`"
        try:
            value = parse_json(path.read_text(encoding="utf-8"), finite=True)
            check_seal(value, path, remedy)
            if KEY not in value or value["score"] not in SCORES:
                raise ValueError("it has no seal")
            thresholds = {
                coverage: (_number(said["tau"]), tuple(_number(tau) for tau in said["by_class"]))
                for coverage, said in value["thresholds"].items()
            }
            kept = {key: tuple(value[key]) for key in ("classnames", "counts", "images")}
            found = cls(
                value["run"],
                value["score"],
                float(value["temperature"]),
                thresholds=thresholds,
                **kept,
                epoch=value["epoch"],
            )
            found.check()
        except FileNotFoundError as error:
            raise UserError(f"no {FILE} in {folder}: a run says nothing of coverage until you {remedy}") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is damaged ({error}); {remedy}") from error
        if found.run != result.get(KEY) or list(found.classnames) != list(result["classnames"]):
            raise UserError(f"{path} is of another run than {folder / 'result.json'}; {remedy}")
        return found


def _plain(tau: float) -> float | None:
    return None if tau == inf else tau


def _number(tau: float | None) -> float:
    return inf if tau is None else float(tau)
