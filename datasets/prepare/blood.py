"""Releases of blood smears: the peripheral blood cells of Acevedo et al., the full-size source of BloodMNIST."""

from ..facts import FACTS
from .raw import Entry, RawTree, Release


def pbc(raw: RawTree) -> Release:
    """`PBC_dataset_normal_DIB/{basophil,...,ig,...}`: a folder a class, 17,092 images; no patients, no official division.

    The release holds 24 pairs of equal files, and one image under two labels.
    """
    names = FACTS["pbc"].classnames
    folders = {"ig" if name == "immature granulocyte" else name: name for name in names}
    found = raw.class_folders(folders)
    entries = [Entry(path, folders[folder]) for folder, paths in found.items() for path in paths]
    return Release(
        entries, ["the release names no patients: cells of one person may be in several parts"], contradicts=True
    )
