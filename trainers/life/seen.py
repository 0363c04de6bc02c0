"""Which images a run trained on or chose with, kept beside its result: whoever calibrates the run must have others."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from datasets.images import file_sum
from toolbox.errors import UserError
from toolbox.files import atomic_json
from toolbox.plain import parse_json
from toolbox.seals import KEY, check_seal, seal
from trainers.life.run import Run

FILE = "seen.json"
MOST_READ = 20_000  # images without a sum in their split that are read for theirs


@dataclass(frozen=True)
class Seen:
    """SHA-256 of the images that `trained` the run and that `chose` among its epochs or settings; training images a class."""

    trained: frozenset[str]
    chose: frozenset[str]
    counts: dict[str, int]

    def among(self, sums: Collection[str]) -> tuple[int, int]:
        """How many of `sums` trained, and how many chose."""
        return sum(s in self.trained for s in sums), sum(s in self.chose for s in sums)


def keep_seen(run: Run) -> None:
    """Write the file of a run that has trained, or that needs no training; none where too many images have no sum."""
    data = run.dm.dataset
    trains = bool(run.model.state_dict())
    chooses = run.chooses or run.cfg.TEST.FINAL_MODEL == "best_val"
    items = {"trained": data.train_x if trains else [], "chose": (data.val or []) if trains and chooses else []}
    if sum(not getattr(item, "sha256", "") for part in items.values() for item in part) > MOST_READ:
        return
    sums = {name: sorted(getattr(i, "sha256", "") or file_sum(i.impath) for i in part) for name, part in items.items()}
    counts = Counter(item.classname for item in items["trained"])
    atomic_json(Path(run.output_dir) / FILE, seal({**sums, "counts": {name: counts[name] for name in data.classnames}}))


def read_seen(folder: str | Path) -> Seen:
    """What `keep_seen` wrote.

    Raises:
        UserError: it is not there, damaged or edited: then nobody can say which images are new to the run.
    """
    path = Path(folder) / FILE
    remedy = "train the run again"
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
        check_seal(value, path, remedy)
        if KEY not in value:
            raise ValueError("it has no seal")
        sums, counts = (*value["trained"], *value["chose"]), dict(value["counts"])
        if not all(isinstance(sum_, str) for sum_ in sums) or not all(
            type(n) is int and n >= 0 for n in counts.values()
        ):
            raise ValueError("sums must be texts, counts whole numbers")
        return Seen(frozenset(value["trained"]), frozenset(value["chose"]), counts)
    except FileNotFoundError as error:
        raise UserError(
            f"no {FILE} in {folder}: nothing there says which images trained the run, as runs before version 0.2.0 and of "
            f"more than {MOST_READ:,} images without sums leave none (python -m cilmp data sums SPLIT); {remedy}"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); {remedy}") from error
