"""Releases of fundus photographs: APTOS 2019, iChallenge-AMD, ODIR-5K."""

import re

from toolbox.errors import UserError

from ..facts import FACTS
from .raw import Entry, RawTree, Release
from .tables import column, read_table


def aptos2019(raw: RawTree) -> Release:
    """Kaggle's `train.csv` (id_code, diagnosis 0-4; its test images have no labels), or the copy in three files that is split
    2930/366/366: `train_1.csv`, `valid.csv`, `test.csv`."""
    names = FACTS["aptos2019"].classnames
    three = {"train": raw.file("train_1.csv"), "val": raw.file("valid.csv"), "test": raw.file("test.csv")}
    if all(three.values()):
        tables = {part: read_table(path) for part, path in three.items()}
        notes = ["split as in the copy that comes in three parts"]
    else:
        tables = {None: raw.table("train.csv")}
        notes = ["Kaggle keeps the labels of its test images: train.csv is divided"]
    entries = []
    for part, rows in tables.items():
        image, grade = column(rows, "the table", "id_code"), column(rows, "the table", "diagnosis")
        for row in rows:
            if row[grade] not in ("0", "1", "2", "3", "4"):
                raise UserError(f"diagnosis of {row[image]} is {row[grade]!r}; grades are 0 to 4")
            entries.append(Entry(raw.image(row[image], part or "train"), names[int(row[grade])], part))
    return Release(entries, notes)


def adam(raw: RawTree) -> Release:
    """`Training400/{AMD,Non-AMD}`: the 400 images whose labels were published as folders."""
    folders = raw.class_folders(("AMD", "Non-AMD"))
    normal, amd = FACTS["adam"].classnames
    entries = [Entry(path, amd) for path in folders["AMD"]] + [Entry(path, normal) for path in folders["Non-AMD"]]
    return Release(
        entries,
        ["layout known from descriptions only; for another one use `prepare folders` or `prepare csv`"],
    )


def odir(raw: RawTree) -> Release:
    """`full_df.csv` of the Kaggle copy: a row an eye, `labels` like `['N']`, `ID` the patient."""
    return _odir(raw, dict(zip("NDGCAHMO", FACTS["odir"].classnames, strict=True)))


def odir2(raw: RawTree) -> Release:
    """The eyes of ODIR-5K that are normal or have a cataract."""
    normal, cataract = FACTS["odir2"].classnames
    return _odir(raw, {"N": normal, "C": cataract})


def _odir(raw: RawTree, names: dict[str, str]) -> Release:
    rows = raw.table("full_df.csv")
    image, labels, patient = (column(rows, "full_df.csv", name) for name in ("filename", "labels", "ID"))
    entries, several = [], 0
    for row in rows:
        letters = re.findall("[A-Z]", row[labels])
        several += len(letters) > 1
        if len(letters) == 1 and letters[0] in names:
            entries.append(Entry(raw.image(row[image], "training"), names[letters[0]], None, row[patient]))
    notes = ["both eyes of a patient stay in one part"]
    if several:
        notes.append(f"{several} eyes with several labels were left out")
    return Release(entries, notes)
