"""The rows a run used, kept in its own folder: whoever has the folder needs no other file to use the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm.store import class_key, read_store, save_rows
from toolbox.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

FILE = "rows.safetensors"
KEY = "used"


@dataclass(frozen=True)
class UsedRows:
    """Rows, one (L_c, D) float32 tensor a class, as a model took them, and `id`: the store they come from and their kind."""

    rows: list[Tensor]
    id: dict[str, Any]


def keep_rows(folder: str | Path, classnames: Sequence[str], used: UsedRows) -> None:
    """Write the rows into the folder of a run, sealed. Raises UserError where the disk does."""
    save_rows(Path(folder) / FILE, dict(zip(classnames, used.rows, strict=True)), {KEY: used.id})


def kept_rows(places: Sequence[str | Path | None], classnames: Sequence[str], kind: str) -> UsedRows | None:
    """Rows of these classes and of this kind from the first of these files that a run wrote and that has them all.

    Raises UserError for a damaged file.
    """
    names = [class_key(name) for name in classnames]
    for path in places:
        if path and Path(path).is_file():
            store = read_store(path)
            used = store.meta.get(KEY)
            if isinstance(used, dict) and used.get("kind") == kind and all(name in store.rows for name in names):
                return UsedRows([store.rows[name].float() for name in names], used)
    return None


def check_same_store(folder: str | Path | None, path: Path, meta: Mapping[str, Any]) -> None:
    """Pass if `path`, with this metadata, is a store, and the one that the run in `folder` was trained with, if that says so.

    Raises:
        UserError: prompts trained with rows of one language model mean nothing beside another's.
    """
    if KEY in meta:
        raise UserError(
            f"{path} holds what one run used, not these classes and this kind of rows: give the rows' own file"
        )
    if folder is None or not (Path(folder) / FILE).is_file():
        return
    trained = read_store(Path(folder) / FILE).meta.get(KEY) or {}
    if trained.get("sha256") not in (None, meta["sha256"]):
        raise UserError(
            f"{folder} was trained with rows of {trained.get('file')} (SHA-256 {trained['sha256'][:12]}...), and {path} is "
            f"not that file ({meta['sha256'][:12]}...): give the same in TRAINER.CILMP.ROWS_FILE"
        )
