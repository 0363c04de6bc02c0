"""The data set classes: one a row of the table, and `split` for a split of one's own. Importing registers them."""

import toolbox  # noqa: F401  makes dassl importable
from dassl.data.datasets import DATASET_REGISTRY
from toolbox.errors import UserError, nearest

from .facts import FACTS, Facts, find, own_facts
from .medical import MedicalDataset, override
from .phantom.generate import ensure_phantom


class DrawnDataset(MedicalDataset):
    """A drawn blood smear; its files are made under the data root when they are not there."""

    def __init__(self, cfg):
        if not cfg.DATASET.ROOT:
            raise UserError("no data root: give --root DATA, where the phantom is to be drawn")
        ensure_phantom(cfg.DATASET.ROOT, self.facts.name)
        super().__init__(cfg)


class SplitDataset(MedicalDataset):
    """Any folder with a split JSON: DATASET.FOLDER below the data root, DATASET.SPLIT in it; shown under the folder's name."""

    @classmethod
    def describe(cls, cfg) -> Facts:
        return override(own_facts(cfg.DATASET.ROOT, cfg.DATASET.FOLDER, cfg.DATASET.SPLIT), cfg)


def registry_name(name: str) -> str:
    """The name under which Dassl's registry has the data set: `name` may be the config name or Dassl's, in any case.

    Names registered by plugins pass unchanged. Raises UserError, with the nearest names, for an unknown one.
    """
    if name.lower() == "split":
        return "split"
    try:
        return find(name).dassl_name
    except UserError:
        registered = DATASET_REGISTRY.registered_names()
        if name in registered:
            return name
    raise UserError(f"unknown data set {name!r}; {nearest(name, [*FACTS, 'split'])}")


def register() -> None:
    """Register all classes with Dassl, under Dassl's names and their config names, where a checkout has none of that name."""
    for facts in FACTS.values():
        base = DrawnDataset if facts.synthetic else MedicalDataset
        for name in {facts.name, facts.dassl_name}:
            _register(name, base, {"facts": facts, "__doc__": f"The data set {facts.name}."})
    _register("split", SplitDataset, {"__doc__": SplitDataset.__doc__})


def _register(name: str, base: type, members: dict) -> None:
    if name in DATASET_REGISTRY.registered_names():
        print(f"{name} is the data set of {DATASET_REGISTRY.get(name).__module__}, registered before")
        return
    DATASET_REGISTRY.register(type(name, (base,), members))


register()
