"""What a run that goes on must have in common with the run that wrote the checkpoint, or it would end as neither."""

from collections.abc import Iterator
from typing import Any

from yacs.config import CfgNode

from toolbox.errors import UserError
from trainers.life.run import Run

FREE = ("ROWS_FILE",)  # where rows lie is no matter; what they are is compared by their SHA-256
SHOWN = 3


def identity(trainer: Run) -> dict[str, str]:
    """Everything that decides the weights a run ends with, as texts by name."""
    cfg, dataset = trainer.cfg, trainer.dm.dataset
    rows = getattr(trainer, "rows_id", None) or {}
    return {
        "method": type(trainer).__name__,
        "backbone weights": trainer.model.clip.weights_hash,
        "precision": trainer.precision.name,
        "class names": ", ".join(dataset.classnames),
        **{f"split ({part})": value for part, value in getattr(dataset, "split_id", {}).items() if part != "test"},
        "DATASET.CLASS_TEXT": cfg.DATASET.get("CLASS_TEXT", "name"),
        "rows": rows.get("sha256", ""),
        "SEED": str(cfg.SEED),
        "DATASET.WINDOW": cfg.DATASET.WINDOW,
        "TEST.FINAL_MODEL": cfg.TEST.FINAL_MODEL,
        **dict(_texts(cfg.OPTIM, "OPTIM")),
        **dict(_texts(cfg.INPUT, "INPUT")),
        **dict(_texts(cfg.DATALOADER.TRAIN_X, "DATALOADER.TRAIN_X")),
        **dict(_texts(trainer.options, f"TRAINER.{trainer.section}")),
    }


def check_same_run(kept: dict[str, str], ours: dict[str, str], directory: str) -> None:
    """Pass if a checkpoint's `identity` is ours; names one of the two lacks are no difference (an older version's).

    Raises:
        UserError: the checkpoint is of another run; what differs is named.
    """
    found = [
        f"{name} was {kept[name]!r} and is {ours[name]!r}" for name in ours if name in kept and kept[name] != ours[name]
    ]
    if found:
        more = f" (and {len(found) - SHOWN} more)" if len(found) > SHOWN else ""
        raise UserError(
            f"{directory} holds the checkpoint of another run: {'; '.join(found[:SHOWN])}{more}; "
            "choose another --output-dir, or remove that folder to start anew"
        )


def _texts(section: CfgNode, name: str) -> Iterator[tuple[str, str]]:
    for key, value in section.items():
        if isinstance(value, CfgNode):
            yield from _texts(value, f"{name}.{key}")
        elif key not in FREE:
            yield f"{name}.{key}", _text(value)


def _text(value: Any) -> str:
    return str(list(value) if isinstance(value, tuple) else value)
