"""The data set classes, registered with Dassl: one a row of the table, `phantom`, and `split` for a split of one's own."""

from pathlib import Path

import toolbox  # noqa: F401  makes dassl importable
from dassl.data.datasets import DATASET_REGISTRY
from toolbox.errors import UserError, nearest

from .facts import FACTS, Facts, find
from .medical import MedicalDataset, override
from .phantom.cells import CLASSNAMES

PHANTOM = Facts(
    name="phantom",
    dassl_name="phantom",
    folder="phantom",
    split_file="phantom.json",
    images="",
    classnames=tuple(CLASSNAMES),
    modality="blood smear (drawn)",
    template="a microscopic image of a {}.",
    licence="Apache-2.0",
    source="drawn by datasets/phantom",
    sizes=(64 * len(CLASSNAMES), 16 * len(CLASSNAMES), 48 * len(CLASSNAMES)),
    warning="synthetic: drawn cells, no patients",
)


class Phantom(MedicalDataset):
    """The drawn blood smear; its files are made under the data root when they are not there."""

    facts = PHANTOM

    def __init__(self, cfg):
        if not cfg.DATASET.ROOT:
            raise UserError("no data root: give --root DATA, where the phantom is to be drawn")
        from .phantom.generate import ensure_phantom  # drawing is loaded only by those who draw

        ensure_phantom(cfg.DATASET.ROOT)
        super().__init__(cfg)


class SplitDataset(MedicalDataset):
    """Any folder with a split JSON: DATASET.FOLDER below the data root, DATASET.SPLIT in it; shown under the folder's name."""

    @classmethod
    def describe(cls, cfg) -> Facts:
        folder = Path(cfg.DATASET.ROOT).expanduser().absolute() / cfg.DATASET.FOLDER
        name = folder.name
        bare = Facts(name.lower(), name, "", "", "", (), "", "a photo of a {}.", "", "")
        facts = override(bare, cfg)
        return facts if facts.split_file else Facts(**{**vars(facts), "split_file": find_split_file(folder)})


def find_split_file(folder: Path) -> str:
    """Name of the split file in `folder`: `<folder>.json`, `split_<folder>.json`, `split.json`, or the only JSON file there."""
    names = [f"{folder.name}.json", f"split_{folder.name}.json", "split.json"]
    present = [name for name in names if (folder / name).is_file()]
    found = present or sorted(path.name for path in folder.glob("*.json"))
    if present or len(found) == 1:
        return found[0]
    if not folder.is_dir():
        raise UserError(f"folder {folder} is missing; name it with DATASET.FOLDER, below --root")
    raise UserError(f"{folder} has {len(found)} JSON files; name the split with DATASET.SPLIT")


def registry_name(name: str) -> str:
    """The name under which Dassl's registry has the data set: `name` may be the config name or Dassl's, in any case.

    Names registered by plugins pass unchanged. Raises UserError, with the nearest names, for an unknown one.
    """
    registered = DATASET_REGISTRY.registered_names()
    if name.lower() in ("phantom", "split"):
        return name.lower()
    try:
        return find(name).dassl_name
    except UserError:
        if name in registered:
            return name
    raise UserError(f"unknown data set {name!r}; {nearest(name, [*FACTS, 'phantom', 'split'])}")


def register() -> None:
    """Register all classes under their Dassl names and their config names."""
    for facts in FACTS.values():
        for name in {facts.name, facts.dassl_name}:
            _register(name, MedicalDataset, {"facts": facts, "__doc__": f"The data set {facts.name}."})
    _register("phantom", Phantom, {})
    _register("split", SplitDataset, {})


def _register(name: str, base: type, members: dict) -> None:
    DATASET_REGISTRY.register(type(name, (base,), {"__doc__": base.__doc__} | members), force=True)
