"""What a finished run left, read by one function for all: result.json and predictions.npz, whole, sealed and sound."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toolbox.errors import UserError
from toolbox.plain import parse_json
from toolbox.scores import SCORES
from toolbox.seals import KEY, check_seal

RESULT, PREDICTIONS = "result.json", "predictions.npz"
BEFORE = re.compile(r"\.before-\d+$")
"""Ends the name of a folder whose run was moved aside for another."""
REMEDY = "restore it, or remove it and run again"
MAX_BYTES = 1 << 28


def find_result(folder: str | Path) -> dict[str, Any] | None:
    """The result of the finished run in `folder`, or None where there is none.

    Raises:
        UserError: there is a result.json, but it is cut, damaged, edited, not finite, or no result of this project.
    """
    path = Path(folder) / RESULT
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path} has {path.stat().st_size} bytes, and is no result of this project; {REMEDY}")
        value = parse_json(path.read_text(encoding="utf-8"), finite=True)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}); {REMEDY}") from error
    if not isinstance(value, dict) or value.get("status") != "finished":
        raise UserError(f"{path} is not a result of this project, or damaged; {REMEDY}")
    check_seal(value, path, REMEDY)
    if "fingerprint" in value and KEY not in value:
        raise UserError(f"{path} has lost its seal: edited by hand; {REMEDY}")
    strange = next(_strange(value), None)
    if strange:
        raise UserError(f"{path} is not a result of this project: {strange}; {REMEDY}")
    return value


def read_result(folder: str | Path) -> dict[str, Any]:
    """The same where there must be one."""
    found = find_result(folder)
    if found is None:
        raise UserError(f"no {RESULT} in {folder}: give the output folder of a finished training run")
    return found


def _strange(value: Mapping[str, Any]) -> Any:
    """What is not as a run writes it, a fragment each."""
    for key, (kinds, needed) in _KEYS.items():
        if key not in value:
            if needed:
                yield f"it has no {key!r}"
        elif not isinstance(value[key], kinds) or (isinstance(value[key], bool) and bool not in kinds):
            yield f"{key} is {str(value[key])[:40]!r}"
        elif key in _TEXTS and not all(isinstance(item, str) for item in _items(value[key])):
            yield f"{key} holds something that is no text"
        elif key in _NUMBERS and not all(item is None or _is_number(item) for item in _NUMBERS[key](value[key])):
            yield f"{key} holds something that is no finite number"
    n_cls = len(value["classnames"]) if isinstance(value.get("classnames"), list) else 0
    metrics = value["metrics"] if isinstance(value.get("metrics"), dict) else {}
    yield from _strange_tables(metrics, value.get("classnames"), n_cls)


def _strange_tables(metrics: Mapping[str, Any], classnames: Any, n_cls: int) -> Any:
    per_class, confusion = metrics.get("per_class", {}), metrics.get("confusion")
    if (
        not isinstance(per_class, dict)
        or not all(map(_is_number, per_class.values()))
        or set(per_class) - {*classnames}
    ):
        yield "per_class is no table of the classes"
    undefined = metrics.get("undefined", {})
    if not isinstance(undefined, dict) or not all(isinstance(reason, str) for reason in undefined.values()):
        yield "undefined is no table of reasons"
    if confusion is not None and not (
        isinstance(confusion, list)
        and len(confusion) == n_cls
        and all(isinstance(row, list) and len(row) == n_cls and all(map(_is_number, row)) for row in confusion)
    ):
        yield "confusion is no table of the classes"


def _items(value: Any) -> Sequence:
    return list(value.values()) if isinstance(value, dict) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_NOTHING = type(None)
_KEYS: dict[str, tuple[tuple, bool]] = {
    **dict.fromkeys(("method", "dataset", "subset", "cfg", "config"), ((str,), True)),
    **dict.fromkeys(("shots", "seed"), ((int,), True)),
    "backbone": ((str, _NOTHING), True),
    **dict.fromkeys(("metrics", "split"), ((dict,), True)),
    "classnames": ((list,), True),
    **dict.fromkeys(("backbone_hash", "transform", "precision", "predictions"), ((str, _NOTHING), False)),
    "templates": ((list,), False),
    **dict.fromkeys(("time", "fingerprint"), ((dict,), False)),
    **dict.fromkeys(("rows", "weights"), ((dict, _NOTHING), False)),
    **dict.fromkeys(("trainable_params", "epochs"), ((int, _NOTHING), False)),
    "peak_memory_mb": ((int, float, _NOTHING), False),
    "synthetic": ((bool,), False),
}
"""Key: (types, whether it must be there)."""
_TEXTS = {"split", "classnames", "templates", "fingerprint"}
_NUMBERS = {
    "metrics": lambda value: [value.get(name) for name in SCORES],
    "time": lambda value: [value.get(name) for name in ("train_s", "step_ms", "test_s")],
    "peak_memory_mb": lambda value: [value],
}


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

    @property
    def digest(self) -> str:
        """SHA-256 of all three, which result.json keeps."""
        found = hashlib.sha256()
        for array in (self.paths.astype(str), self.labels.astype("<i8"), self.logits.astype("<f4")):
            found.update(f"{array.shape} {array.dtype.str}".encode() + array.tobytes())
        return found.hexdigest()


def read_predictions(folder: str | Path, n_cls: int, digest: str | None = None) -> Predictions | None:
    """The predictions in `folder` in the order of image names, or None where the run kept none.

    Args:
        n_cls: classes of the run.
        digest: what its result.json says of them; None for runs by earlier versions, which said nothing.

    Raises:
        UserError: the file is cut, damaged, of another run, or holds anything but finite logits of these classes.
    """
    path = Path(folder) / PREDICTIONS
    try:
        with np.load(path, allow_pickle=False) as data:
            found = Predictions(*(np.asarray(data[key]) for key in ("paths", "labels", "logits")))
        problem = _problem(found, n_cls, digest)
    except FileNotFoundError:
        return None
    except Exception as error:  # damage can make a reader fail in any way
        problem = f"is damaged ({error})"
    if problem:
        raise UserError(f"{path} {problem}; restore it, or remove the run's folder and run again")
    order = np.argsort(found.paths, kind="stable")
    return Predictions(found.paths[order], found.labels[order], found.logits[order])


def _problem(p: Predictions, n_cls: int, digest: str | None) -> str:
    if p.paths.dtype.kind != "U" or p.labels.dtype.kind not in "iu" or p.logits.dtype.kind != "f":
        return "does not hold names, labels and logits"
    if p.paths.ndim != 1 or p.labels.shape != p.paths.shape or p.logits.shape != (len(p.paths), n_cls):
        return f"does not hold logits of {n_cls} classes, a row an image"
    if not np.isfinite(p.logits).all():
        return "holds logits that are not finite"
    if not len(p.labels) or p.labels.min() < 0 or p.labels.max() >= n_cls:
        return "holds no images, or labels of no class"
    if digest is not None and p.digest != digest:
        return "is of another run, damaged or edited (its SHA-256 is not the one in result.json)"
    return ""
