"""The store of rows: one safetensors file a data set and model, `(layers, width)` numbers a class.

The header holds one JSON text under the key `rows`: the classes in label order, the SHA-256 of the numbers, how they were
made, and a seal over all of that. One key, because safetensors writes several in an order that changes from run to run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors

from toolbox.errors import UserError, nearest
from toolbox.files import atomic_write
from toolbox.plain import parse_json
from toolbox.seals import digest

if TYPE_CHECKING:  # torch is imported where there are numbers to read: a command's help does not wait for it
    from torch import Tensor

HEADER_KEY = "rows"
FORMAT, SEAL = 2, "seal"  # files without either are of format 1, whose header had no seal
EMBEDDED = Path(__file__).parent / "rows"
DTYPES = ("float16", "bfloat16", "float32")


@dataclass(frozen=True)
class RowStore:
    """Rows by class name, each `(layers, width)` as stored (layers may differ, the width may not), and metadata."""

    rows: dict[str, Tensor]
    meta: dict[str, Any]

    @property
    def width(self) -> int:
        """Width of every row: the hidden size of the language model."""
        return next(iter(self.rows.values())).shape[1]


def class_key(classname: str) -> str:
    """Name a class has in a store: underscores are spaces, all else verbatim."""
    return classname.replace("_", " ")


def is_read(tensor: Tensor) -> bool:
    """Whether numbers of its type can be rows."""
    return str(tensor.dtype).removeprefix("torch.") in DTYPES


def rows_digest(rows: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes, types and bytes of the rows, whatever the order of the classes."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(rows):
        tensor = rows[name].detach().cpu().contiguous()
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_rows(path: str | Path, rows: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write `rows` (class name -> `(layers, width)`, in label order, in the type they have) and `meta` (JSON values).

    The same rows and metadata give the same bytes. Raises UserError where `read_store` would refuse the file, and where
    the disk does.
    """
    from safetensors.torch import save

    rows = {class_key(name): tensor.detach().cpu().contiguous() for name, tensor in rows.items()}
    _check(rows, path)
    header = {key: value for key, value in meta.items() if key != SEAL}
    header |= {"classes": list(rows), "sha256": rows_digest(rows)}
    header |= {"format": FORMAT, SEAL: digest({**header, "format": FORMAT})}
    text = json.dumps(header, ensure_ascii=False, sort_keys=True)
    content = save(rows, metadata={HEADER_KEY: text})
    atomic_write(path, lambda part: part.write_bytes(content))


def read_store(path: str | Path) -> RowStore:
    """Read a whole store, numbers as stored, classes in label order.

    Raises UserError, naming the file, if it is missing, truncated, no row file, altered since it was written, or holds
    anything but finite floating-point rows of one width.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such row file; make it with `python -m cilmp llm extract --help`")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(HEADER_KEY)
            rows = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (safetensors.SafetensorError, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a whole safetensors file ({error}); make it again or copy it again") from error
    meta = _parse_header(header, path)
    if sorted(meta["classes"]) != sorted(rows):
        raise UserError(f"{path}: its header lists other classes than it holds rows for; make it again")
    _check(rows, path)
    if rows_digest(rows) != meta["sha256"]:
        raise UserError(f"{path}: the numbers do not match the SHA-256 in its header: damaged or edited; make it again")
    return RowStore({name: rows[name] for name in meta["classes"]}, meta)


def load_rows(path: str | Path, classnames: Sequence[str]) -> list[Tensor]:
    """Rows of `classnames` in that order, each `(layers of the class, width)` float32.

    Raises UserError as `read_store`, and when a class has no rows: the message has the command that makes them.
    """
    store = read_store(path)
    missing = [name for name in map(class_key, classnames) if name not in store.rows]
    if missing:
        wanted, dataset = "; ".join(map(class_key, classnames)), store.meta.get("dataset", Path(path).stem)
        raise UserError(
            f"{path}: no rows for {', '.join(map(repr, missing))} ({nearest(missing[0], store.rows)}); "
            f'make them: python -m cilmp llm extract --classes "{wanted}" --name {dataset}'
        )
    return [store.rows[class_key(name)].float() for name in classnames]


def embedded_rows(dataset_name: str) -> Path:
    """File of the rows that come with the project for a data set (`kvasir`, `biomedcoop/busi`; any case)."""
    path = EMBEDDED / f"{dataset_name.lower()}.safetensors"
    if not path.resolve().is_relative_to(EMBEDDED.resolve()) or not path.is_file():
        known = [str(file.relative_to(EMBEDDED).with_suffix("")) for file in EMBEDDED.rglob("*.safetensors")]
        raise UserError(
            f"no embedded rows for data set '{dataset_name}' ({nearest(dataset_name, known)}); make them: "
            f'python -m cilmp llm extract --classes "a; b; c" --name {Path(dataset_name).name}'
        )
    return path


def _parse_header(header: str | None, path: Path) -> dict[str, Any]:
    """Metadata in the safetensors header; refuses a file that some other program wrote."""
    try:
        meta = parse_json(header) if header else None
    except ValueError:
        meta = None
    names = meta.get("classes") if isinstance(meta, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or "sha256" not in meta:
        raise UserError(f"{path}: a safetensors file, but not one of rows; make one with `python -m cilmp llm extract`")
    sealed = meta.pop(SEAL, None)
    if (sealed is not None or "format" in meta) and sealed != digest(meta):
        raise UserError(
            f"{path}: its header is not as it was written (its seal differs): damaged or edited; make it again"
        )
    return meta


def _check(rows: Mapping[str, Tensor], path: str | Path) -> None:
    """Refuse an empty store, and by name a class whose rows are of the wrong shape, type or width, or not finite."""
    if not rows:
        raise UserError(f"{path}: no rows at all")
    width = None
    for name, tensor in rows.items():
        if tensor.ndim != 2 or 0 in tensor.shape:
            raise UserError(f"{path}: rows of '{name}' have shape {tuple(tensor.shape)}, not (layers, width)")
        if not is_read(tensor):
            raise UserError(f"{path}: rows of '{name}' are {tensor.dtype}; {', '.join(DTYPES)} are read")
        width = width or tensor.shape[1]
        if tensor.shape[1] != width:
            raise UserError(f"{path}: rows of '{name}' are {tensor.shape[1]} wide, those before it {width}")
        if not tensor.isfinite().all():
            raise UserError(f"{path}: rows of '{name}' hold NaN or infinite numbers; make them again")
