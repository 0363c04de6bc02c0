"""What is said of an image besides probabilities: a set of classes with a coverage, no answer, other shares of the classes."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolbox.errors import UserError
from toolbox.plain import PlainError, read_yaml

if TYPE_CHECKING:
    import numpy as np

    from benchmark.calibration import Calibration
    from trainers.life.saved import SavedRun


def add_arguments(parser: ArgumentParser) -> None:
    """The options that this file reads."""
    add = parser.add_argument_group("how sure").add_argument
    add(
        "--coverage",
        type=float,
        help="give sets that hold the true class for this share of images like the calibration ones",
    )
    add("--by-class", action="store_true", help="with --coverage: so in each class, by its own calibration images")
    add(
        "--refuse-below",
        type=float,
        metavar="P",
        help="give no class where the likeliest has less than this probability",
    )
    add("--prevalence", type=Path, metavar="FILE", help="yaml of classes and their shares where the images come from")


def check(args: Namespace) -> None:
    """Raise UserError for options that contradict each other, before a run is opened."""
    if args.refuse_below is not None and not 0 < args.refuse_below <= 1:
        raise UserError(f"--refuse-below {args.refuse_below}: give a probability above 0, at most 1")
    if args.coverage is None:
        if args.by_class:
            raise UserError("--by-class says how sets are made: give --coverage too")
        return
    for option, given in (("--classes", args.classes), ("--prevalence", args.prevalence)):
        if given:
            raise UserError(
                f"--coverage with {option}: the run was calibrated without, and nothing would be known of the sets"
            )


@dataclass(frozen=True)
class Answer:
    """Of one image: probabilities of the classes, names in its set (None where no sets are asked for), and if it is refused."""

    probabilities: list[float]
    members: list[str] | None
    refused: bool


@dataclass(frozen=True)
class Answers:
    """Makes answers of logits.

    Attributes:
        coverage: "0.9" and so on; None gives no sets.
        shift: (n_cls,) share of each class there over its share in training, or None.
    """

    classnames: list[str]
    calibration: "Calibration | None"
    coverage: str | None
    by_class: bool
    refuse_below: float
    shift: "np.ndarray | None"

    @classmethod
    def asked(cls, args: Namespace, run: "SavedRun") -> "Answers":
        """What the options of `add_arguments`, `--classes` and `--load-epoch`, which pass `check`, ask of the run.

        Raises:
            UserError: the run is not calibrated for it, or the file of shares is not of its classes.
        """
        from benchmark.calibration import FILE, Calibration

        calibration, coverage, shift = None, None, None
        if args.coverage is not None:
            coverage = str(args.coverage)
            calibration = calibrated(run, coverage, args.load_epoch)
        elif args.refuse_below is not None and not args.classes and (run.folder / FILE).is_file():
            calibration = Calibration.read(run.folder, run.result)
        if args.prevalence is not None:
            shift = _shift(args.prevalence, run)
        return cls(run.classnames, calibration, coverage, args.by_class, args.refuse_below or 0.0, shift)

    def of(self, logits: "np.ndarray") -> list[Answer]:
        """One for each row of logits (batch, n_cls)."""
        from toolbox.conformal import probabilities

        p = probabilities(logits / (1.0 if self.calibration is None else self.calibration.temperature))
        if self.shift is not None:
            p = p * self.shift
            p = p / p.sum(axis=1, keepdims=True)
        members: list[Any] = [None] * len(p)
        if self.calibration is not None and self.coverage is not None:
            inside = self.calibration.sets(logits, self.coverage, self.by_class)
            members = [
                [self.classnames[c] for c in (-row).argsort() if there[c]] for row, there in zip(p, inside, strict=True)
            ]
        return [
            Answer(row.tolist(), named, bool(row.max() < self.refuse_below))
            for row, named in zip(p, members, strict=True)
        ]

    def about(self) -> dict[str, Any]:
        """What predictions.json says of how they were made."""
        found: dict[str, Any] = {}
        if self.calibration is not None:
            found["temperature"] = self.calibration.temperature
        if self.calibration is not None and self.coverage is not None:
            own = self.calibration
            found["coverage"] = {
                "wanted": self.coverage,
                "by_class": self.by_class,
                "score": own.score,
                "images": own.n,
            }
        if self.refuse_below:
            found["refused_below"] = self.refuse_below
        return found

    def note(self) -> str:
        """What holds, in a sentence or two; "" where nothing was asked for."""
        said = []
        if self.calibration is not None and self.coverage is not None:
            who = "images of each class" if self.by_class else "images"
            said.append(
                f"sets hold the true class for at least {100 * float(self.coverage):g} % of {who} like the "
                f"{self.calibration.n} that the run was calibrated on"
            )
        if self.shift is not None:
            said.append(
                "shares of the classes were put right, which is right only if each class looks as it did in training"
            )
        return "; ".join(said)


def calibrated(run: "SavedRun", coverage: str, epoch: int | None) -> "Calibration":
    """The run's calibration, which must be for this coverage, this epoch's weights and the classes it is opened with.

    Raises:
        UserError: it is not, or there is none.
    """
    from benchmark.calibration import Calibration

    found = Calibration.read(run.folder, run.result)
    if list(found.classnames) != run.classnames:
        raise UserError(
            f"{run.folder} was calibrated for {', '.join(found.classnames)}: of other classes nothing is known"
        )
    if epoch != found.epoch:
        was = "its last or best epoch" if found.epoch is None else f"epoch {found.epoch}"
        raise UserError(f"{run.folder} was calibrated at {was}: leave --load-epoch as it was, or calibrate again")
    if coverage not in found.thresholds:
        raise UserError(
            f"{run.folder} is calibrated for a coverage of {', '.join(found.thresholds)}, not {coverage}: run "
            f"`python -m cilmp calibrate {run.folder} --images ... --coverage {coverage}`"
        )
    return found


def _shift(path: Path, run: "SavedRun") -> "np.ndarray":
    """Share of each class in the file over its share among the run's training images, (n_cls,)."""
    import numpy as np

    from trainers.life.seen import read_seen

    try:
        said = read_yaml(path)
    except (OSError, PlainError) as error:
        raise UserError(f"--prevalence {path} cannot be read: {error}") from error
    wrong = set(run.classnames) ^ set(said) if isinstance(said, dict) else {"(no classes)"}
    if wrong or not all(
        isinstance(v, int | float) and not isinstance(v, bool) and 0 < v < np.inf for v in said.values()
    ):
        what = f" ({sorted(map(str, wrong))[0]!r} is wrong)" if wrong else ""
        raise UserError(
            f"--prevalence {path}: give each class of the run and its share, above 0{what}: {', '.join(run.classnames)}"
        )
    there = np.array([float(said[name]) for name in run.classnames])
    counts = read_seen(run.folder).counts
    trained = np.array([float(counts.get(name, 0)) for name in run.classnames])
    if not trained.any():
        trained += 1  # a method that saw no image takes all classes alike
    if not trained.all():
        bare = run.classnames[int(trained.argmin())]
        raise UserError(
            f"--prevalence: the run saw no image of {bare!r}, so nobody knows what share it takes that class to have"
        )
    return (there / there.sum()) / (trained / trained.sum())
