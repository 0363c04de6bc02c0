"""`cilmp.fit`: one run of one method from Python, on a data set or on images and labels."""

import contextlib
import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cilmp.run import Run
from toolbox.errors import UserError
from toolbox.files import atomic_path


def fit(
    method: str,
    data: str | Path | None = None,
    *,
    images: Sequence[str | Path] | None = None,
    labels: Sequence[str] | None = None,
    root: str | Path = "data",
    backbone: str = "small_clip",
    shots: int = 16,
    seed: int = 1,
    output: str | Path = "runs/one",
    options: Mapping[str, Any] | None = None,
    again: bool = False,
    verbose: bool = False,
) -> Run:
    """Train and test a method; a run that is in `output` already, with the same settings, is opened instead.

    Args:
        method: a name of `cilmp list methods`.
        data: a folder with a split file, a split file, or a known data set's name: it is looked up below `root`, drawn
            data sets are drawn there.
        images, labels: instead of `data`, files and the class name of each; the division into training, validation and
            test images (0.8, 0.1, 0.1 of each class) is kept below `output`.
        shots: training images a class; 0 or less takes all.
        options: configuration keys, such as {"OPTIM.MAX_EPOCH": 20}.
        again: move another run in `output` aside instead of refusing.
        verbose: print the run's log, which is in output/log.txt in any case.

    Raises:
        UserError: bad input, or another run is in `output`.
    """
    from benchmark.execute import RUNNER
    from benchmark.jobs import AGAIN, finished

    output = Path(output)
    if (data is None) == (images is None) or (images is None) != (labels is None):
        raise UserError("give data, or images with labels")
    if images is not None:
        root, data = own_data(images, labels or [], output)
    name, root = dataset_at(data, Path(root))
    words = [str(word) for pair in (options or {}).items() for word in pair]
    (job,) = _jobs(method, name, root, backbone, shots, seed, words)
    place = job.argv.index("--output-dir") + 1
    argv = (*([AGAIN] if again else []), *job.argv[:place], str(output), *job.argv[place + 1 :])
    job = replace(job, output=output, argv=argv)
    if not finished(job, RUNNER):
        _train(list(argv), verbose)
    return Run.open(output)


def dataset_at(data: str | Path, root: Path) -> tuple[str, Path]:
    """Name and root of a data set given as a folder with a split, as a split file, or by its name below `root`."""
    path = Path(data)
    folder = path.parent if path.suffix == ".json" and path.is_file() else path
    if folder.is_dir() and any(folder.glob("*.json")):
        folder = folder.resolve()
        return folder.name, folder.parent
    if path.suffix == ".json" or len(path.parts) > 2:
        raise UserError(
            f"{path} is no split file, and no folder with one: make one with `python -m cilmp data prepare`"
        )
    return str(data), root


def own_data(images: Sequence[str | Path], labels: Sequence[str], output: Path) -> tuple[Path, Path]:
    """Root and folder of a data set made of these files, below `output`; the files themselves are linked or copied.

    Raises:
        UserError: other numbers of images and labels, or none; files that are not there.
    """
    from datasets.prepare.__main__ import main as prepare

    files = [Path(image).expanduser().resolve() for image in images]
    if not files or len(files) != len(labels):
        raise UserError(f"{len(files)} images and {len(labels)} labels: give a label of each image")
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise UserError(f"image {missing[0]} is missing ({len(missing)} of {len(files)})")
    root = output.with_name(f"{output.name}-data")
    above = Path(os.path.commonpath([file.parent for file in files]))
    table = root / "labels.csv"
    with atomic_path(table) as part, part.open("w", newline="", encoding="utf-8") as text:
        rows = ((str(file.relative_to(above)), label) for file, label in zip(files, labels, strict=True))
        csv.writer(text).writerows([("file", "label"), *rows])
    words = ["csv", "--raw", str(above), "--table", str(table), "--file-column", "file", "--label-column", "label"]
    with contextlib.redirect_stdout(io.StringIO()):
        prepare([*words, "--root", str(root), "--folder", "own", "--overwrite"])
    return root, root / "own"


def _jobs(method: str, name: str, root: Path, backbone: str, shots: int, seed: int, words: list[str]) -> list:
    from benchmark.configs import Configs
    from benchmark.plan import Plan
    from benchmark.protocols import jobs_of

    few = ("few_shot", (shots,)) if shots > 0 else ("full", ())
    plan = Plan(
        protocol=few[0],
        methods=(method,),
        datasets=(name,),
        seeds=(seed,),
        shots=few[1],
        backbone=backbone,
        root=root,
        opts=tuple(words),
    )
    return jobs_of(plan, Configs())


def _train(argv: list[str], verbose: bool) -> None:
    import train

    with contextlib.nullcontext() if verbose else contextlib.redirect_stdout(io.StringIO()):
        train.run(argv)
