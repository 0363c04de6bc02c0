"""`cilmp.open`: a finished run in Python; it predicts, explains and shows what it measured."""

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

    from cilmp.answers import Answers
    from datasets.reading import Reading
    from trainers.life.saved import SavedRun
    from vlm.prompts.prompted import PromptedCLIP

BATCH = 32


def open_run(folder: str | Path, classnames: Sequence[str] | None = None, epoch: int | None = None) -> "Run":
    """Open a finished run; see `Run.open`."""
    return Run.open(folder, classnames, epoch)


@dataclass(frozen=True)
class Prediction:
    """Of one image: the likeliest class, the probability of each, and the set that `coverage` asked for (else None)."""

    image: str
    label: str
    probabilities: Mapping[str, float]
    members: tuple[str, ...] | None = None

    @property
    def probability(self) -> float:
        """Of `label`."""
        return self.probabilities[self.label]

    def __str__(self) -> str:
        said = f"{self.label} {100 * self.probability:.1f} %"
        return (
            f"{self.image}: {said}" if self.members is None else f"{self.image}: {{{'; '.join(self.members)}}} ({said})"
        )


class Run:
    """A finished run. It needs its folder alone: not the data, and no file of rows."""

    def __init__(self, saved: "SavedRun", epoch: int | None = None) -> None:
        self._saved, self._epoch = saved, epoch

    @classmethod
    def open(cls, folder: str | Path, classnames: Sequence[str] | None = None, epoch: int | None = None) -> "Run":
        """Open the run in `folder`, or at hub:ORG/NAME (see `cilmp share`).

        Args:
            classnames: other classes than those it was trained on, for methods whose prompts carry over.
            epoch: the weights after this many epochs, instead of the last or best.

        Raises:
            UserError: there is no finished run, its method is not here, or it is bound to its classes.
        """
        import trainers  # noqa: F401  registers the methods
        from cilmp.sharing import fetched
        from trainers.life.saved import open_run

        folder = fetched(folder)

        with redirect_stdout(io.StringIO()):  # what a run prints at its start
            saved = open_run(folder, list(classnames) if classnames else None, epoch)
            _ = saved.transform
        return cls(saved, epoch)

    def __repr__(self) -> str:
        return repr(self._saved)

    @property
    def folder(self) -> Path:
        """With result.json, log.txt, predictions.npz and the weights."""
        return self._saved.folder

    @property
    def model(self) -> "PromptedCLIP":
        """The trained module, in evaluation mode: preprocessed images in, logits out."""
        return self._saved.model

    @property
    def classnames(self) -> list[str]:
        """In the order of the logits."""
        return self._saved.classnames

    @property
    def result(self) -> dict[str, Any]:
        """All of result.json: settings, hashes, times, metrics."""
        return self._saved.result

    @property
    def metrics(self) -> dict[str, float]:
        """On the test part, 0 to 100; per class and as a confusion matrix: `result["metrics"]`."""
        return {name: value for name, value in self.result["metrics"].items() if isinstance(value, int | float)}

    @property
    def reading(self) -> "Reading":
        """How the run read its images, for `datasets.images.read_image`."""
        return self._saved.reading

    def logits(self, images: "str | Path | Image.Image | Sequence") -> "np.ndarray":
        """(n, n_cls) in float32, in the order of `images`. Raises UserError for a file that cannot be read."""
        return self._logits([one for _, one in _named(images)])

    def predict(
        self, images: "str | Path | Image.Image | Sequence", coverage: float | None = None, by_class: bool = False
    ) -> list[Prediction]:
        """Classes and probabilities of files, folders or PIL images.

        Args:
            coverage: 0.9 gives sets that hold the true class for 90 % of images like the calibration ones; the run must be
                calibrated (`calibrate`).
            by_class: the same promise in each class.

        Raises:
            UserError: a file cannot be read, or the run is not calibrated for this coverage.
        """
        files = _named(images)
        logits = self._logits([one for _, one in files])
        answers = self._answers(coverage, by_class).of(logits)
        return [
            Prediction(
                name,
                self.classnames[int(np.argmax(answer.probabilities))],
                dict(zip(self.classnames, answer.probabilities, strict=True)),
                None if answer.members is None else tuple(answer.members),
            )
            for (name, _), answer in zip(files, answers, strict=True)
        ]

    def calibrate(self, images: str | Path, coverage: float | Sequence[float] = 0.9, temperature: bool = False) -> None:
        """Measure the run on images that it has not seen, so that `predict(..., coverage=...)` gives sets.

        Args:
            images: a folder with a folder a class, or a part of the run's own data: "val" or "test".
            temperature: put probabilities right too, by one half of the images.

        Raises:
            UserError: the run has seen some of the images, or they are too few or of other classes.
        """
        from benchmark.calibrate import main

        wanted = [coverage] if isinstance(coverage, int | float) else coverage
        words = [str(self.folder), "--images", str(images), "--coverage", *map(str, wanted)]
        with redirect_stdout(io.StringIO()):
            main([*words, "--temperature"] if temperature else words)

    def plot_confusion(self) -> "Figure":
        """The confusion matrix of the test part, counts; rows are the true classes."""
        from cilmp.confusion import figure

        return figure(self.result["metrics"]["confusion"], self.classnames, self.result["method"])

    def explain(self, image: "str | Path | Image.Image", label: str | None = None) -> "Figure":
        """The image and, beside it, which patches spoke for its predicted class or for `label`; research use only."""
        from cilmp.heat_map import explained, label_of

        place = label_of(self._saved, label)
        ((_, one),) = _named(image)
        return explained(self._saved, _picture(one, self.reading), place)[2]

    def check_coverage(self, coverage: float | None) -> None:
        """Raise UserError where `predict(..., coverage=coverage)` would."""
        self._answers(coverage, False)

    def _answers(self, coverage: float | None, by_class: bool) -> "Answers":
        from cilmp.answers import Answers, calibrated

        wanted = None if coverage is None else str(coverage)
        calibration = None if wanted is None else calibrated(self._saved, wanted, self._epoch)
        return Answers(self.classnames, calibration, wanted, by_class, refuse_below=0.0, shift=None)

    def _logits(self, files: list) -> "np.ndarray":
        """(n, n_cls) of files and PIL images, read a batch at a time."""
        import torch

        found = [torch.zeros(0, len(self.classnames))]
        for start in range(0, len(files), BATCH):
            pictures = (_picture(one, self.reading) for one in files[start : start + BATCH])
            found.append(self._saved.logits(torch.stack([self._saved.transform(picture) for picture in pictures])))
        return torch.cat(found).numpy()


def _named(images: Any) -> list[tuple[str, Any]]:
    """Name and file or picture, folders opened."""
    from datasets.walk import images_in

    found: list[tuple[str, Any]] = []
    for one in images if isinstance(images, list | tuple) else [images]:
        if isinstance(one, str | Path):
            files, _ = images_in([Path(one)])
            found += [(str(file), file) for file in files]
        else:
            found.append((getattr(one, "filename", "") or f"image {len(found)}", one))
    return found


def _picture(one: Any, reading: Any) -> "Image.Image":
    from datasets.images import read_image

    return read_image(one, reading=reading) if isinstance(one, Path) else one.convert("RGB")
