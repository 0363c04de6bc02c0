"""The table of data sets: facts as data, one row each (a yaml file a collection)."""

from pathlib import Path

from toolbox.errors import UserError, nearest

from .drawn import DRAWN
from .entry import Facts
from .own import own_facts
from .tables import read_biomedcoop, read_table

BIOMEDCOOP = read_biomedcoop()
FACTS: dict[str, Facts] = {
    facts.name: facts for facts in (*DRAWN, *read_table("other"), *read_table("cilmp"), *BIOMEDCOOP)
}


def find(name: str) -> Facts:
    """Row of the data set called `name`, by config name or Dassl name in any case.

    Names that both collections use mean the CILMP collection's; the other's are written `biomedcoop/<name>`.
    Raises UserError, with the nearest names, if there is no such data set.
    """
    wanted = name.lower()
    for facts in FACTS.values():
        if wanted in (facts.name, facts.dassl_name.lower()):
            return facts
    for facts in BIOMEDCOOP:
        if wanted == facts.folder.lower():
            return facts
    raise UserError(f"unknown data set {name!r}; {nearest(name, FACTS)}")


def find_or_own(name: str, root: str | Path) -> Facts:
    """As `find`, but a folder `name` below `root` with a split file in it is a data set too."""
    try:
        return find(name)
    except UserError:
        if (Path(root).expanduser() / name).is_dir():
            return own_facts(root, name)
        raise


__all__ = ["FACTS", "Facts", "find", "find_or_own", "own_facts"]
