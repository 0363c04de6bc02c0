"""Prediction sets as recorded: by the exact rule and by the published one, and the published programs run whole.

The programs are those of full conformal adaptation (Silva-Rodriguez et al., IPMI 2025) over torchcp 0.1.3. They part from
`toolbox.conformal` in four ways: the level (n + 1)(1 - alpha) / n is interpolated between order statistics, membership is
r < tau, scores are float32, and APS and RAPS draw one u a calibration image but one a test image *and rank*, used as 1 - u.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import torch

from datasets.quotas import indices
from toolbox.conformal import PENALTY, class_coverage, class_thresholds, measures, rank, scores, sets, threshold
from trainers.life.recording import Column, Recording

DRAWN = "their u goes on from one seed of torch's generator"
ROUNDED = "their threshold is 1 in float32, so that sets hang on how last digits were rounded"
DRAWS = 50  # of u, for each of their seeds
STANDARD_ERRORS = 4


class PredictionSets:
    """A case has `cases` of calibration and test probabilities, and what "<score>/<alpha>" gives there."""

    recorded_as = ("prediction sets",)

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        for case, cells in recording.case["cases"].items():
            arrays = {name.removeprefix(f"{case}/"): value.numpy() for name, value in recording.arrays.items()}
            for cell in (cell for cell in cells if "/" in cell):
                kind, alpha = cell.split("/")
                found = _published(arrays, kind, alpha)
                for rule in ("plain", "random"):
                    if rule == "plain" or kind != "lac":
                        found |= _exact(arrays, kind, alpha, rule)
                yield from (_column(f"{case}/{name}", value) for name, value in found.items())
            for name in (
                f"{case}/{part}" for part in ("u_cal", "u_test", "published_u_cal", "published_u_test_by_rank")
            ):
                recording.arrays.get(name)
            for part in ("cal_prob", "cal_labels", "test_prob", "test_labels"):
                recording.arrays.get(f"{case}/{part}")


class FullConformal:
    """A case has a `pool` to draw calibration images from and a `test`, and `results` of "<program>/<score>/<draw>"."""

    recorded_as = ("jusiro/FCA run whole",)

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        arrays = {name: value.numpy() for name, value in recording.arrays.items()}
        for name in ("pool", "pool_labels", "test", "test_labels", "text"):
            recording.arrays.get(name)
        for cell, said in recording.case["results"].items():
            program, kind, draw = cell.split("/")
            names = ("sets", "coverage", "set_size", "ccv", "median", "mean")
            for name in ("seeds", "alpha", "shots"):
                recording.arrays.get(f"{cell}/{name}")
            wanted = _quotas(arrays["test_labels"], said["shots"], draw)
            drawn = [indices(arrays["pool_labels"], wanted, seed) for seed in range(said["seeds"])]
            scale = np.float32(np.exp(recording.case["logit_scale_log"]))
            if kind != "lac":
                yield from (Column(f"{cell}/{name}", None, why=DRAWN) for name in names[:-1])
                if (program, kind) == ("scp", "aps"):
                    yield Column(f"{cell}/mean", None, why=ROUNDED)
                elif program == "fca":
                    yield Column(f"{cell}/mean", None, why=f"{DRAWN}, and two seeds make no mean")
                else:
                    yield _in_the_mean(cell, said, arrays, drawn, scale)
                continue
            found = np.stack([PROGRAMS[program](arrays, rows, scale, said["alpha"]) for rows in drawn])
            yield _column(f"{cell}/sets", found)
            table = _table(found, arrays["test_labels"], said["alpha"])
            values = (*table.T, np.median(table, axis=0), table.mean(axis=0))
            yield from (_column(f"{cell}/{name}", value) for name, value in zip(names[1:], values, strict=True))


def _table(found: np.ndarray, labels: np.ndarray, alpha: float) -> np.ndarray:
    """Coverage, set size and CCV of sets (runs, n, n_cls): (runs, 3)."""
    worth = [measures(members, labels, 1 - alpha) for members in found]
    return np.array([[one["coverage"], one["size"], 100 * one["gap"]] for one in worth])


def _in_the_mean(cell: str, said: dict[str, Any], arrays: dict, drawn: list, scale: np.float32) -> Column:
    """Their mean over seeds beside ours over more draws of u, in standard errors of theirs."""
    program, kind, _ = cell.split("/")
    rng = np.random.default_rng(0)
    found = [PROGRAMS[program](arrays, rows, scale, said["alpha"], kind, rng) for rows in drawn for _ in range(DRAWS)]
    spread = np.array([said[name] for name in ("coverage", "set_size", "ccv")]).std(axis=1, ddof=1)
    within = STANDARD_ERRORS * spread * np.sqrt((1 + 1 / DRAWS) / len(drawn))
    ours = torch.as_tensor(_table(np.stack(found), arrays["test_labels"], said["alpha"]).mean(axis=0))
    return Column(f"{cell}/mean", ours, None, f"within {STANDARD_ERRORS} standard errors", torch.as_tensor(within))


def _column(name: str, value) -> Column:
    return Column(name, torch.as_tensor(np.asarray(value)))


def _exact(arrays: dict[str, np.ndarray], kind: str, alpha: str, rule: str) -> dict[str, np.ndarray]:
    labels, truth, coverage = arrays["cal_labels"], arrays["test_labels"], 1 - Fraction(alpha)
    drawn = rule == "random"
    calibration = scores(arrays["cal_prob"], kind, arrays["u_cal"] if drawn else None)
    test = scores(arrays["test_prob"], kind, arrays["u_test"] if drawn else None)
    of_true, n_cls = calibration[np.arange(len(labels)), labels], test.shape[1]
    tau, by_class = threshold(of_true, coverage), class_thresholds(of_true, labels, n_cls, coverage)
    found = {f"{kind}/{rule}/cal_scores": of_true, f"{kind}/{rule}/test_scores": test}
    cell = f"{kind}/{alpha}/{rule}"
    found |= {f"{cell}/sets": sets(test, tau), f"{cell}/sets_by_class": sets(test, by_class)}
    found |= {f"{cell}/rank": rank(len(labels), coverage), f"{cell}/threshold": tau}
    found |= {f"{cell}/{name}": value for name, value in _worth(found[f"{cell}/sets"], truth, coverage).items()}
    found |= {f"{cell}/by_class/thresholds": by_class}
    worth = _worth(found[f"{cell}/sets_by_class"], truth, coverage)
    return found | {f"{cell}/by_class/{name}": value for name, value in worth.items()}


def _worth(members: np.ndarray, labels: np.ndarray, coverage: Fraction) -> dict[str, Any]:
    found = measures(members, labels, float(coverage))
    empty = int((~members.any(axis=1)).sum())
    worth = {"coverage": found["coverage"], "set_size": found["size"], "ccv": 100 * found["gap"], "empty": empty}
    return {**worth, "class_coverage": class_coverage(members, labels)}


def _published(arrays: dict[str, np.ndarray], kind: str, alpha: str) -> dict[str, np.ndarray]:
    labels, cell = arrays["cal_labels"], f"{kind}/{alpha}/published"
    u = (None, None) if kind == "lac" else (1 - arrays["published_u_cal"][:, None], arrays["published_u_test_by_rank"])
    calibration, test = (
        _torchcp(arrays[f"{part}_prob"], kind, u_) for part, u_ in zip(("cal", "test"), u, strict=True)
    )
    tau = _interpolated(calibration[np.arange(len(labels)), labels], float(alpha))
    members = test < tau
    found = {f"{cell}/sets": members, f"{cell}/test_scores": test, f"{cell}/threshold": tau}
    return found | {
        f"{cell}/{name}": value for name, value in _worth(members, arrays["test_labels"], 1 - Fraction(alpha)).items()
    }


def _torchcp(probability: np.ndarray, kind: str, u: np.ndarray | None) -> np.ndarray:
    """Scores in float32; `u` (n, 1 or n_cls), by rank, takes away from what likelier classes and the class itself have."""
    if u is None:
        return 1 - probability
    order = np.argsort(-probability, axis=1, kind="stable")
    ranked = np.take_along_axis(probability, order, axis=1)
    found = ranked.cumsum(axis=1, dtype=np.float32) - ranked * u
    if kind == "raps":
        found = found + np.float32(PENALTY) * np.arange(found.shape[1], dtype=np.float32)
    placed = np.empty_like(found)
    np.put_along_axis(placed, order, found, axis=1)
    return placed


def _interpolated(of_true: np.ndarray, alpha: float) -> float:
    level = (len(of_true) + 1) * (1 - alpha) / len(of_true)
    return np.inf if level > 1 else float(np.quantile(of_true.astype(np.float64), level))


def _quotas(labels: np.ndarray, shots: int, draw: str) -> list[int]:
    """Calibration images a class: as many of each, or by the shares of the *test* labels, which a user does not have."""
    shares = np.bincount(labels) / len(labels)
    n_cls = len(shares)
    return [shots] * n_cls if draw == "balanced" else [max(1, round(shots * n_cls * share)) for share in shares]


def _probability(images: np.ndarray, weights: np.ndarray, scale: np.float32) -> np.ndarray:
    """Softmax in float32 of scaled cosines."""
    images, weights = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (images, weights))
    logits = scale * images @ weights.T
    found = np.exp(logits - logits.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


def _ss_text(images: np.ndarray, labels: np.ndarray, text: np.ndarray, scale: np.float32, penalty: float) -> np.ndarray:
    """SS-Text's class weights with its lambda given."""
    share = scale / (len(images) * penalty)
    return np.stack([share * images[labels == c].sum(axis=0) + text[c] for c in range(len(text))])


def _scp(
    arrays: dict[str, np.ndarray],
    rows: list[int],
    scale: np.float32,
    alpha: float,
    kind: str = "lac",
    rng: np.random.Generator | None = None,
    fitted: bool = False,
) -> np.ndarray:
    """Zero-shot CLIP calibrated on the drawn images; `fitted`: SS-Text trained on the very images, which makes it void."""
    images, labels, weights = arrays["pool"][rows], arrays["pool_labels"][rows], arrays["text"]
    if fitted:
        weights = _ss_text(images, labels, weights, scale, max(1 / len(rows), 1e-3))
    p, test = _probability(images, weights, scale), _probability(arrays["test"], weights, scale)
    u = (None, None) if rng is None else (rng.random((len(p), 1), np.float32), rng.random(test.shape, np.float32))
    tau = _interpolated(_torchcp(p, kind, u[0])[np.arange(len(rows)), labels], alpha)
    return _torchcp(test, kind, u[1]) < tau


def _full(arrays: dict[str, np.ndarray], rows: list[int], scale: np.float32, alpha: float) -> np.ndarray:
    """A fit for every test image and label, on the drawn images and this one, which all count alike."""
    images, labels, text = arrays["pool"][rows], arrays["pool_labels"][rows], arrays["text"]
    members = np.zeros((len(arrays["test"]), len(text)), dtype=bool)
    for i, c in np.ndindex(members.shape):
        more = np.concatenate([images, arrays["test"][i : i + 1]])
        weights = _ss_text(more, np.append(labels, c), text, scale, 1 / len(more))
        found = 1 - _probability(more, weights, scale)
        members[i, c] = found[-1, c] < _interpolated(found[np.arange(len(rows)), labels], alpha)
    return members


PROGRAMS = {"scp": _scp, "adapt_plus_scp": partial(_scp, fitted=True), "fca": _full}
