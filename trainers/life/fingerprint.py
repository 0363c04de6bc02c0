"""The fingerprint of a run: everything that decides the weights and figures it ends with, as texts by name.

It is known before training and without building the model, so that a sweep can compare what it is asked for with what is
there; a finished run keeps it in result.json, an unfinished one in its checkpoints. Everything in the configuration
counts but `FREE` and the sections of other methods.
"""

import hashlib
import io
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from dassl.config import get_cfg_default
from dassl.data.datasets import DATASET_REGISTRY, build_dataset
from dassl.engine import TRAINER_REGISTRY
from llm.class_text import class_texts
from toolbox.errors import UserError
from toolbox.seals import KEY
from trainers.life.run import Run

FORMAT = "1"
"""Raised when the same settings come to mean other weights or figures."""

FREE = {
    "OUTPUT_DIR": "where it is written",
    "RESUME": "where it goes on from; what is there is compared",
    "DATASET.ROOT": "where images lie; split and images are compared by their contents",
    "DATASET.FOLDER": "likewise",
    "DATASET.IMAGES": "likewise",
    "DATASET.SPLIT": "likewise",
    "DATALOADER.CACHE_DIR": "where decoded images are kept",
    "MODEL.BACKBONE.NAME": "may be a path; its file name and weights are compared",
    "USE_CUDA": "hardware",
    "TRAIN.CUDA_GRAPH": "how a step is launched, not what it computes",
    "DATALOADER.TEST.BATCH_SIZE": "a memory limit; images are tested one by one",
    "TRAIN.CHECKPOINT_FREQ": "which epochs are kept",
    "TRAIN.PRINT_FREQ": "what is printed",
    "VERBOSE": "what is printed",
    "TEST.PER_CLASS_RESULT": "what is printed",
    "TEST.COMPUTE_CMAT": "what is written beside the results",
    "WANDB": "where a copy of the log goes",
    "VERSION": "Dassl's own",
}
"""What cannot matter, with the reason. A method's file options (`ROWS_FILE`) are compared by the contents too."""

FILES = "_FILE"  # the end of options that name a file
OURS = {
    "trainers",
    "datasets",
    "dassl",
    "toolbox",
    "builtins",
    "abc",
    "torch",
    "typing",
}  # `FORMAT` stands for their code
SHOWN, LONGEST = 3, 60


def of_run(run: Run) -> dict[str, str]:
    """The fingerprint of a run whose data are read."""
    dataset, weights = run.dm.dataset, (getattr(run, "tested", None) or {}).get("sha256", "")
    data = _read(dataset, run.cfg)
    return _texts(run.cfg, type(run), data, dataset.classnames, run.model.clip.weights_hash, weights, run.trained_in)


def of_settings(cfg: CfgNode, weights: str = "", trained_in: Path | None = None) -> dict[str, str]:
    """The fingerprint that a run with this configuration will have.

    Args:
        weights: SHA-256 of the checkpoint to be tested, for runs that do not train.
        trained_in: the folder of the run that it is of.

    Raises:
        UserError: data, rows or backbone are not there.
    """
    from vlm.loading.load import load

    clip = load(cfg.MODEL.BACKBONE.NAME, image_size=cfg.MODEL.BACKBONE.IMAGE_SIZE)
    method = TRAINER_REGISTRY.get(cfg.TRAINER.NAME)
    data, classnames = _of_data(cfg)
    return _texts(cfg, method, data, classnames, clip.weights_hash, weights, trained_in)


def check_needs(cfg: CfgNode) -> None:
    """Pass if the method finds the rows, sentences and files that a run with this configuration needs.

    Raises:
        UserError: the data or one of these is not there.
    """
    hashes = getattr(TRAINER_REGISTRY.get(cfg.TRAINER.NAME), "hashes", None)
    if hashes is not None:  # plugins that are no PromptTrainer have none
        data, classnames = _of_data(cfg)
        hashes(cfg, data["data set"], classnames, None)


def of_files(options: CfgNode) -> dict[str, str]:
    """SHA-256 of each file that a method's options name; their keys end in `_FILE`."""
    named = {key: value for key, value in options.items() if key.endswith(FILES) and value}
    return {key: _file_hash(value) if Path(value).is_file() else value for key, value in named.items()}


def differences(kept: Mapping[str, str], ours: Mapping[str, str]) -> list[str]:
    """What differs between two fingerprints, a fragment each with both values.

    A setting that one of them lacks had its default: it came, or went, with another version.
    """
    names = [name for name in [*ours, *(n for n in kept if n not in ours)] if name != KEY]
    lacking = {} if kept.keys() == ours.keys() else dict(_settings(_defaults()))
    if "format" not in kept:  # a checkpoint of the time before fingerprints says less
        names = [name for name in names if name in kept and name in ours]
    found = []
    for name in names:
        was, is_ = (texts.get(name, lacking.get(name)) for texts in (kept, ours))
        if was != is_:
            found.append(f"{name} was {_short(was)} and is {_short(is_)}")
    return found


def say(found: list[str]) -> str:
    """The first differences in one line, and how many more there are."""
    more = f" (and {len(found) - SHOWN} more)" if len(found) > SHOWN else ""
    return "; ".join(found[:SHOWN]) + more


def check_same_run(kept: Mapping[str, str], ours: Mapping[str, str], directory: str) -> None:
    """Pass if a checkpoint's fingerprint is ours.

    Raises:
        UserError: the checkpoint is of another run; what differs is named.
    """
    if found := differences(kept, ours):
        raise UserError(
            f"{directory} holds the checkpoint of another run: {say(found)}; choose another --output-dir, or give --again, "
            "which moves that folder aside and starts anew"
        )


def _texts(
    cfg: CfgNode,
    method: type,
    data: Mapping[str, str],
    classnames: list[str],
    backbone: str,
    weights: str,
    trained_in: Path | None,
) -> dict[str, str]:
    name = cfg.MODEL.BACKBONE.NAME
    return {
        "format": FORMAT,
        "method": cfg.TRAINER.NAME,
        "backbone": Path(name).name if Path(name).exists() else name,
        **dict(_settings(cfg, getattr(method, "section", None))),
        "class names": "; ".join(classnames),
        **data,
        "class texts": _class_texts(cfg, data["data set"], classnames),
        "rows": "",
        **(method.hashes(cfg, data["data set"], classnames, trained_in) if hasattr(method, "hashes") else {}),
        "backbone weights": backbone,
        "plugin": _code_of(method, DATASET_REGISTRY.get(cfg.DATASET.NAME)),
        "weights tested": weights,
    }


def _class_texts(cfg: CfgNode, dataset: str, classnames: list[str]) -> str:
    """What stands for the classes in prompts, where that is not their names."""
    kind = cfg.DATASET.get("CLASS_TEXT", "name")
    return "" if kind == "name" else "; ".join(class_texts(kind, dataset, classnames))


def _settings(cfg: CfgNode, section: str | None = None, before: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of the configuration that matter; of TRAINER those in `section` (None: in all)."""
    for key, value in cfg.items():
        name = before + key
        if isinstance(value, CfgNode):
            if before != "TRAINER." or section in (None, key):
                yield from _settings(value, section, f"{name}.")
        elif (
            name not in FREE and name != "TRAINER.NAME" and not (before.startswith("TRAINER.") and key.endswith(FILES))
        ):
            yield name, str(list(value) if isinstance(value, tuple) else value)


def _defaults() -> CfgNode:
    from trainers.life.config import extend_cfg

    cfg = get_cfg_default()
    extend_cfg(cfg)
    return cfg


def _short(text: str | None) -> str:
    if text is None:
        return "not there"
    if re.fullmatch("[0-9a-f]{64}", text):
        return f"{text[:12]}..."
    return repr(text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}...")


# Data

_known: dict[str, tuple[str, Any, dict[str, str], list[str]]] = {}
"""Split file, its time and size, and what was read: many runs of a sweep share their data."""


def _of_data(cfg: CfgNode) -> tuple[dict[str, str], list[str]]:
    key = f"{Path(cfg.DATASET.ROOT).absolute()} {cfg.DATASET} {cfg.SEED}"
    if key not in _known or _stamp(_known[key][0]) != _known[key][1]:
        with redirect_stdout(io.StringIO()):
            dataset = build_dataset(cfg)
        path = getattr(dataset, "split_path", "")
        _known[key] = path, _stamp(path), _read(dataset, cfg), list(dataset.classnames)
    return _known[key][2:]


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _read(dataset: Any, cfg: CfgNode) -> dict[str, str]:
    return {
        "data set": getattr(dataset, "name", cfg.DATASET.NAME),
        **{f"split ({part})": value for part, value in getattr(dataset, "split_id", {}).items()},
        "images": _images(dataset, getattr(dataset, "image_dir", cfg.DATASET.ROOT)),
        "templates": "; ".join(getattr(dataset, "templates", [])),
    }


def _images(dataset: Any, folder: str) -> str:
    """SHA-256 of the images' names with their sums, or with their sizes where the split holds no sums."""
    found = hashlib.sha256()
    items = [item for part in ("train_x", "val", "test") for item in getattr(dataset, part, None) or []]
    for item in sorted(items, key=lambda item: item.impath):
        content = getattr(item, "sha256", "") or _size(item.impath)
        found.update(f"{item.impath.removeprefix(folder)}\0{content}\0".encode(errors="surrogateescape"))
    return found.hexdigest()


def _size(path: str) -> int:
    stamp = _stamp(path)
    return stamp[1] if stamp else -1


def _code_of(*classes: type) -> str:
    """SHA-256 of the files in which plugins define these classes, and of those these take in; "" where all is our own."""
    files = set()
    for cls in (base for given in classes for base in given.__mro__):
        package, inside, _ = cls.__module__.partition(".")
        if package not in OURS:
            near = [name for name in sys.modules if inside and name.startswith(f"{package}.")] or [cls.__module__]
            files |= {getattr(sys.modules.get(name), "__file__", None) or "" for name in near}
    return " ".join(map(_file_hash, sorted(filter(None, files))))


def _file_hash(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
