"""CoOp's few-shot pickles, read without running what they say.

A pickle is a program. These hold lists of Dassl's `Datum`, which is plain data: four attributes. The reader below knows
that one class, replaces it by its own, and refuses every other name, so that nothing in the file can be called.
"""

import io
import pickle
from pathlib import Path
from typing import Any

from toolbox.errors import UserError

from .split import Item, Split, ordered

MAX_BYTES = 64 << 20
_REMEDY = "delete it and a draw is made"
_DATUM = {("dassl.data.datasets.base_dataset", "Datum"), ("dassl.data.datasets", "Datum")}


class _Datum:
    """Attributes of a pickled Datum, nothing else."""

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}

    def item(self) -> tuple[str, int]:
        path, label = self.state["_impath"], self.state["_label"]
        if not isinstance(path, str) or not isinstance(label, int):
            raise ValueError("a Datum without path and label")
        return path, label


class _PlainUnpickler(pickle._Unpickler):
    """Admits Dassl's Datum by mapping it to `_Datum`, and the two helpers that old protocols make objects with.

    The reader in Python, not the one in C: a few bytes can make that one reserve gigabytes for its memo.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _DATUM:
            return _Datum
        if (module, name) in {("copy_reg", "_reconstructor"), ("copyreg", "_reconstructor")}:
            return _reconstruct
        if (module, name) in {("__builtin__", "object"), ("builtins", "object")}:
            return object
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to data outside itself")


def _reconstruct(cls: type, base: type, state: Any) -> _Datum:
    if cls is not _Datum or base is not object:
        raise pickle.UnpicklingError("it makes objects other than Datum")
    return _Datum()


def read_coop_pickle(path: str | Path, split: Split) -> tuple[list[Item], list[Item]]:
    """Items of `train` and `val` of a CoOp pickle `{"train": [Datum], "val": [Datum]}`, found again in `split`.

    Paths in such files are absolute and often of another machine: an item is the one whose path ends the pickled path.
    Raises UserError if the file holds more than plain data, is broken, or names images the split does not have in that part.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES >> 20} MB; {_REMEDY}")
        data = _PlainUnpickler(io.BytesIO(path.read_bytes())).load()
        parts = {part: [datum.item() for datum in data.get(part) or []] for part in ("train", "val")}
    except pickle.UnpicklingError as error:
        raise UserError(f"{path} is refused: {error}; {_REMEDY}") from None
    except UserError:
        raise
    except Exception as error:  # a broken pickle may raise anything
        raise UserError(f"{path} is not a few-shot pickle of CoOp ({type(error).__name__}); {_REMEDY}") from None
    if not parts["train"]:
        raise UserError(f"{path}: no training images; {_REMEDY}")
    return tuple(ordered(_find(path, pairs, split.part(part), part)) for part, pairs in parts.items())


def _find(path: Path, pairs: list[tuple[str, int]], items: list[Item], part: str) -> list[Item]:
    known = {item.path: item for item in items}
    found = []
    for image, label in pairs:
        steps = image.replace("\\", "/").split("/")
        tails = ("/".join(steps[start:]) for start in range(len(steps)))
        item = next((known[tail] for tail in tails if tail in known), None)
        if item is None or item.label != label:
            raise UserError(f"{path}: {image} (label {label}) is not in {part} of this split; {_REMEDY}")
        found.append(item)
    missing = {item.label for item in items} - {item.label for item in found}
    if part == "train" and missing:
        raise UserError(f"{path}: no image of label {min(missing)}; {_REMEDY}")
    return found
