"""Releases of the gut: Kvasir (endoscopy) and Chaoyang (histopathology)."""

from toolbox.errors import UserError

from ..facts import FACTS
from .raw import Entry, RawTree, Release
from .tables import read_json


def kvasir(raw: RawTree) -> Release:
    """A folder a class, `dyed-lifted-polyps` and so on (v1: 8 x 500, v2: 8 x 1000)."""
    folders = {name.replace(" ", "-"): name for name in FACTS["kvasir"].classnames}
    found = raw.class_folders(folders)
    return Release([Entry(path, folders[folder]) for folder, paths in found.items() for path in paths])


def chaoyang(raw: RawTree) -> Release:
    """`train.json` and `test.json`: lists of {"name": path, "label": 0-3}. The labels of train are noisy, as released."""
    names = FACTS["chaoyang"].classnames
    entries = []
    for part in ("train", "test"):
        path = raw.file(f"{part}.json")
        rows = read_json(path) if path else None
        if not isinstance(rows, list):
            raise UserError(f"no list of images {part}.json below {raw.root}; is this the whole release?")
        for row in rows:
            label = row.get("label") if isinstance(row, dict) else None
            if label not in range(len(names)) or not isinstance(row.get("name"), str):
                raise UserError(f"{path}: an image has label {label!r}; labels are 0 to {len(names) - 1}")
            entries.append(Entry(raw.image(row["name"], part), names[int(label)], part))
    return Release(entries)
