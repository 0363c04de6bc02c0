"""Calibrate a run on images it has not seen: python -m benchmark.calibrate RUN --images FOLDER|val|test [--coverage 0.9 0.95]

    python -m benchmark.calibrate output/.../seed1 --images held_out/            # a folder a class
    python -m benchmark.calibrate output/.../seed1 --images val --temperature    # the validation part of the run's own split

Writes conformal.json into the run's folder; `python -m cilmp predict RUN ... --coverage 0.9` then gives sets that hold the true
class for at least 90 % of images like these. Refused: images that trained the run or chose anything of it (by SHA-256), too
few of them, classes that it does not know. With --temperature half of the images fit a temperature, the other half the sets.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.calibration import Calibration
from toolbox.command import program, run_command
from toolbox.conformal import SCORES, measures
from toolbox.errors import UserError, nearest
from toolbox.files import check_writable
from toolbox.parser import Parser

PARTS = ("val", "test")
HALVES = 1  # seed of the division into images of the temperature and of the sets


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    text, _, more = __doc__.partition("\n")
    parser = Parser(
        prog=program("python -m benchmark.calibrate"),
        description=text + "\n" + more,
        raw=True,
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="output folder of a finished training run")
    add(
        "--images",
        required=True,
        metavar="FOLDER|PART",
        help="a folder with a folder a class, or a part of the run's data: val, test",
    )
    add(
        "--coverage",
        nargs="+",
        default=["0.9"],
        help="shares of images whose set is to hold the true class (default: 0.9)",
    )
    add(
        "--score",
        choices=SCORES,
        default="lac",
        help="lac has the smallest sets on average (default), aps and raps the more even",
    )
    add("--temperature", action="store_true", help="fit a temperature on one half of the images, the sets on the other")
    add("--root", default="", help="the data folder of val or test, where it is not where it was")
    add("--load-epoch", type=int, help="the weights after this many epochs, instead of the last or best")
    add("--plugin", action="append", default=[], help="as for train.py")
    args = parser.parse_args(argv)
    coverages = [_coverage(word) for word in args.coverage]
    check_writable(args.run, "give a RUN that can be written to")
    calibrate(args, coverages)
    return 0


def calibrate(args: argparse.Namespace, coverages: list[str]) -> None:
    """Read, refuse or measure, and write; see the file's docstring."""
    import trainers  # noqa: F401  registers the methods
    from benchmark.temperature import fit_temperature, reliability
    from trainers.life.plugins import load_plugins
    from trainers.life.saved import open_run
    from trainers.life.seen import read_seen

    load_plugins(args.plugin)
    run = open_run(args.run, epoch=args.load_epoch)
    seen = read_seen(args.run)
    files = _of_part(run, args.images, args.root) if args.images in PARTS else _of_folder(run, Path(args.images))
    sums = _sums(files)
    trained, chose = seen.among(sums)
    if trained or chose:
        what = [
            f"{n} of the {len(sums)} images {did}"
            for n, did in ((trained, "trained it"), (chose, "chose its settings"))
            if n
        ]
        raise UserError(
            f"{args.run} cannot be calibrated on {args.images}: {' and '.join(what)}; sets need images it has not seen"
        )
    labels = np.array([label for _, label in files])
    logits, temperature = _logits(run, [path for path, _ in files]), 1.0
    if args.temperature:
        half = np.random.default_rng(HALVES).permutation(len(labels)) < len(labels) // 2
        temperature = fit_temperature(logits[half], labels[half])
        logits, labels, sums = (
            logits[~half],
            labels[~half],
            [s for s, first in zip(sums, half, strict=True) if not first],
        )
        before, after = reliability(logits, labels), reliability(logits / temperature, labels)
        print(f"temperature {temperature:.3f}, fitted on {half.sum()} images; on the other {len(labels)}:")
        print("\n".join(f"  {name:<13} {before[name]:8.3f} -> {after[name]:8.3f}" for name in before))
        print("  (ECE in percent; on few images it is above 0 even for a perfectly calibrated model)")
    found = Calibration.of(run.result, logits, labels, sums, coverages, args.score, temperature, args.load_epoch)
    path = found.save(args.run)
    _tell(found, logits, labels)
    print(f"Calibration: {path}")


def _tell(found: Calibration, logits: np.ndarray, labels: np.ndarray) -> None:
    for coverage in found.thresholds:
        size = measures(found.sets(logits, coverage), labels, float(coverage))["size"]
        print(f"coverage {coverage}: {found.n} images, {size:.2f} classes a set on them ({found.score.upper()})")
        few = [name for name, tau in zip(found.classnames, found.thresholds[coverage][1], strict=True) if tau == np.inf]
        if few:
            names = ", ".join(few[:5]) + (", ..." if len(few) > 5 else "")
            print(f"  by class (--by-class of predict): {names} have too few images of their own and are in every set")
    print(
        "It holds for images like these: the same kind of patients, device and site, classes in the same shares. "
        "Another hospital is calibrated anew."
    )


def _coverage(word: str) -> str:
    try:
        if 0 < float(word) < 1:
            return str(float(word))
    except ValueError:
        pass
    raise UserError(f"--coverage {word}: give shares between 0 and 1, such as 0.9")


def _of_folder(run, folder: Path) -> list[tuple[Path, int]]:
    """Images below a folder a class, with labels in the run's order."""
    from datasets.split import plain_name
    from datasets.walk import walk

    if not folder.is_dir():
        raise UserError(f"--images {folder}: no such folder, and no part of the run's data ({', '.join(PARTS)})")
    known = {plain_name(name): label for label, name in enumerate(run.classnames)}
    files = []
    for path in walk(folder).images:
        name = path.relative_to(folder).parts[0]
        if path.parent == folder or plain_name(name) not in known:
            where = (
                "lies in no class folder"
                if path.parent == folder
                else f"is of class {name!r}, which {run.folder} does not know"
            )
            raise UserError(
                f"{path} {where}; {nearest(name, run.classnames)}: give a folder with a folder of each class's images"
            )
        files.append((path, known[plain_name(name)]))
    if not files:
        raise UserError(f"--images {folder}: no images in it")
    return files


def _of_part(run, part: str, root: str) -> list[tuple[Path, int]]:
    """Images of a part of the run's own data."""
    from dassl.data.datasets import build_dataset

    cfg = run.trainer.cfg.clone()
    cfg.defrost()
    cfg.DATASET.ROOT, cfg.OUTPUT_DIR = root or cfg.DATASET.ROOT, ""
    data = build_dataset(cfg)
    if data.split_id.get(part) != run.result["split"].get(part):
        raise UserError(
            f"the {part} part of {cfg.DATASET.ROOT} is another than the run had: give its own data with --root"
        )
    return [(Path(item.impath), item.label) for item in getattr(data, part) or []]


def _sums(files: list[tuple[Path, int]]) -> list[str]:
    from datasets.sums import file_sums

    sums = list(file_sums({str(path): path for path, _ in files}).values())
    if len(set(sums)) < len(sums):
        raise UserError(f"{len(sums) - len(set(sums))} of the {len(sums)} images are copies of others: count each once")
    return sums


def _logits(run, paths: list[Path]) -> np.ndarray:
    """(n, n_cls) in float32."""
    import torch

    from datasets.images import read_image

    found = []
    for start in range(0, len(paths), 32):
        images = [run.transform(read_image(path, reading=run.reading)) for path in paths[start : start + 32]]
        found.append(run.logits(torch.stack(images)))
    return torch.cat(found).numpy()


if __name__ == "__main__":
    run_command(main)
