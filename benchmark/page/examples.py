"""Test images on the page: each method's worst mistakes and its least certain hits, small, with heat maps where asked."""

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.results import Result, read_predictions
from benchmark.tables import labels, unique
from datasets.images import central_square, read_image
from datasets.quotas import COOP
from datasets.reading import Reading
from toolbox.errors import UserError
from toolbox.plain import parse_yaml
from toolbox.run_files import RESULT, Predictions

EACH = 4
"""Mistakes, and hits, of a method."""

SIDE = 88
"""Pixels of a thumbnail's side."""

MOST_BYTES = 700_000
"""Of all thumbnails together: the page is to stay below 2 MB."""


@dataclass(frozen=True)
class Example:
    """`pixels` and `heat`: JPEG in base64; `heat` is empty without a map."""

    pixels: str
    heat: str
    said: str
    file: str


@dataclass(frozen=True)
class Examples:
    """Of one method on one data set's test images."""

    title: str
    mistakes: list[Example]
    doubtful: list[Example]


def examples(
    results: list[Result], whole: list[dict[str, Any]], heat_maps: bool = False
) -> tuple[list[Examples], list[str]]:
    """Those of the first seed of each method on each test, and notes on what is not shown.

    Args:
        whole: all of each run's result.json, {} where it has none.
    """
    kept = {r.folder: of_run for r, of_run in zip(results, whole, strict=True)}
    found: list[Examples] = []
    failed: list[str] = []
    size, left_out = 0, 0
    for title, run in _shown(results):
        predictions = read_predictions(run)
        if predictions is None:
            continue
        if size > MOST_BYTES:
            left_out += 1
            continue
        try:
            maps = _maps(run, kept[run.folder]) if heat_maps else None
            made = _of_run(title, run, predictions, _data(run, kept[run.folder]), maps)
        except UserError as error:
            failed.append(f"No images of {title}: {error}")
            continue
        size += sum(len(one.pixels) + len(one.heat) for one in [*made.mistakes, *made.doubtful])
        found.append(made)
    notes = [failed[0] + (f" (and of {len(failed) - 1} more)" if len(failed) > 1 else "")] if failed else []
    return found, notes + ([f"{left_out} more are not shown, to keep the page small."] if left_out else [])


def _shown(results: list[Result]) -> Iterator[tuple[str, Result]]:
    """The first seed of each method, a test after the other; of many numbers of shots the largest."""
    plain = [r for r in results if r.draw == COOP]
    for dataset, subset, source in unique((r.dataset, r.subset, r.source) for r in plain):
        here = [r for r in plain if (r.dataset, r.subset, r.source) == (dataset, subset, source)]
        for label, runs in labels(here).items():
            run = min(runs, key=lambda r: (-(r.shots or 0) if r.shots != -1 else float("-inf"), r.seed))
            trained = f", trained on {source}" if source else ""
            yield f"{label} on {dataset}, {subset} classes{trained}, seed {run.seed}", run


def chosen(predictions: Predictions) -> tuple[list[int], list[int]]:
    """Places of the mistakes that the model was surest of, and of the hits that it was least sure of."""
    sure = predictions.probabilities.max(axis=1)
    wrong, right = np.flatnonzero(predictions.correct == 0), np.flatnonzero(predictions.correct == 1)
    return (
        list(wrong[np.argsort(-sure[wrong], kind="stable")][:EACH]),
        list(right[np.argsort(sure[right], kind="stable")][:EACH]),
    )


Maps = Callable[[Image.Image, int], np.ndarray]


def _of_run(
    title: str, run: Result, predictions: Predictions, data: tuple[Path, Reading], maps: Maps | None
) -> Examples:
    (root, reading), probabilities = data, predictions.probabilities

    def example(place: int) -> Example:
        file = str(predictions.paths[place])
        image = read_image(root / file, reading=reading)
        shares, true = probabilities[place], int(predictions.labels[place])
        named = int(shares.argmax())
        name, other = run.classnames[true], run.classnames[named]
        taken = (
            f", taken for {other} ({100 * shares[named]:.0f} %)" if named != true else f", {100 * shares[true]:.0f} %"
        )
        small = central_square(image, SIDE)
        heat = _jpeg(_under(small, maps(image, named))) if maps else ""
        return Example(_jpeg(small), heat, name + taken, file)

    mistakes, doubtful = chosen(predictions)
    return Examples(title, [example(place) for place in mistakes], [example(place) for place in doubtful])


def _data(run: Result, kept: dict[str, Any]) -> tuple[Path, Reading]:
    """The run's data folder, and how it read images.

    Raises:
        UserError: its result.json does not say.
    """
    try:
        config = parse_yaml(kept["config"])
        pixels, data = config.get("INPUT", {}), config["DATASET"]
        reading = Reading(pixels.get("EXIF", False), data.get("WINDOW", ""), pixels.get("ALLOW_TRUNCATED", False))
        return Path(data["ROOT"]), reading
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{run.folder / RESULT} does not say where its data is") from error


def _maps(run: Result, kept: dict[str, Any]) -> Maps:
    """Relevance of an image's patches to a class, (rows, columns), by the run's model.

    Raises:
        UserError: the model cannot be opened, or has no such maps.
    """
    import torch

    from trainers.life.saved import open_run
    from vlm.prompts.explain import relevance

    weights = kept.get("weights") or {}
    saved = open_run(run.folder / weights.get("folder", "."), list(run.classnames), weights.get("epoch"))

    def heat(image: Image.Image, label: int) -> np.ndarray:
        device = saved.trainer.device
        inputs = saved.transform(image)[None].to(device)
        return relevance(saved.model, inputs, torch.tensor([label], device=device))[1][0].cpu().numpy()

    return heat


def _under(image: Image.Image, heat: np.ndarray) -> Image.Image:
    """The image under a map of 0..1: the redder, the more this part spoke for the class."""
    smooth = Image.fromarray(np.uint8(255 * heat)).resize(image.size, Image.Resampling.BICUBIC)
    red = Image.new("RGB", image.size, (220, 30, 30))
    return Image.composite(red, image, smooth.point(lambda value: int(0.65 * value)))


def _jpeg(image: Image.Image) -> str:
    content = io.BytesIO()
    image.save(content, format="JPEG", quality=80)
    return base64.b64encode(content.getvalue()).decode()
