"""Releases of ultrasound images: BUSI and the fetal planes of Burgos-Artizzu et al."""

from toolbox.errors import UserError

from ..facts import FACTS
from .raw import Entry, RawTree, Release
from .tables import column


def busi(raw: RawTree) -> Release:
    """`Dataset_BUSI_with_GT/{benign,malignant,normal}`; the masks beside the images are skipped."""
    folders = raw.class_folders(("benign", "malignant", "normal"))
    entries = [Entry(path, name) for name, paths in folders.items() for path in paths if "_mask" not in path.stem]
    return Release(
        entries, ["the release names no patients: run `python -m cilmp data check busi` for near-duplicates"]
    )


def fetal_us(raw: RawTree) -> Release:
    """`FETAL_PLANES_DB_data.csv` (`;`): Image_name, Patient_num, Plane, Train (1 or 0)."""
    rows = raw.table("FETAL_PLANES_DB_data.csv")
    image, patient, plane, train = (column(rows, "the csv", n) for n in ("Image_name", "Patient_num", "Plane", "Train"))
    planes = {name: name for name in FACTS["fetal_us"].classnames} | {"Other": "Other planes"}
    unknown = {row[plane] for row in rows} - set(planes)
    if unknown:
        raise UserError(f"FETAL_PLANES_DB_data.csv: unknown plane {sorted(unknown)[0]!r}; known: {', '.join(planes)}")
    return Release(
        [Entry(raw.image(r[image]), planes[r[plane]], "train" if r[train] == "1" else "test", r[patient]) for r in rows]
    )
