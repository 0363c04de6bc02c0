"""Releases of dermatoscopic images: Derm7pt, ISIC 2018 task 3, HAM10000."""

from pathlib import Path

from toolbox.errors import UserError

from ..facts import FACTS
from ..split import PARTS
from .raw import Entry, RawTree, Release
from .tables import column, read_table

# Columns of the ISIC 2018 ground truth and codes of HAM10000, in the label order of the table of data sets.
_ISIC = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
_WORDS = {"train": "Training", "val": "Validation", "test": "Test"}


def derm7pt(raw: RawTree) -> Release:
    """`meta/meta.csv` (20 diagnoses, grouped to 5 as in its repository), official parts in `*_indexes.csv`."""
    meta = raw.table("meta.csv")
    image, diagnosis, case = (column(meta, "meta.csv", name) for name in ("derm", "diagnosis", "case_num"))
    entries = []
    for part, name in {"train": "train_indexes.csv", "val": "valid_indexes.csv", "test": "test_indexes.csv"}.items():
        indexes = raw.table(name)
        for row in indexes:
            number = row[column(indexes, name, "indexes")]
            if not number.isdigit() or int(number) >= len(meta):
                raise UserError(f"{name}: {number!r} is no row of meta.csv")
            line = meta[int(number)]
            entries.append(Entry(raw.image(line[image]), derm7pt_class(line[diagnosis]), part, line[case]))
    return Release(entries, ["the dermatoscopic image of each case; the clinical photographs are not used"])


def derm7pt_class(diagnosis: str) -> str:
    """One of 5 classes for a raw diagnosis."""
    text = diagnosis.lower()
    if text in ("basal cell carcinoma", "seborrheic keratosis"):
        return text.split()[-1]
    return next((name for name in ("melanoma", "nevus") if name in text), "miscellaneous")


def isic(raw: RawTree) -> Release:
    """`ISIC2018_Task3_{Training,Validation,Test}_GroundTruth.csv` (one-hot) and the lesions of `..._LesionGroupings.csv`.

    Where the ground truth of the test is there, parts are the official ones; else the training images are divided by lesion.
    """
    names = dict(zip(_ISIC, FACTS["isic"].classnames, strict=True))
    files = {part: raw.file(f"ISIC2018_Task3_{word}_GroundTruth.csv") for part, word in _WORDS.items()}
    if files["train"] is None:
        raise UserError(f"no ISIC2018_Task3_Training_GroundTruth.csv below {raw.root}; is this the whole release?")
    groupings = raw.file("ISIC2018_Task3_Training_LesionGroupings.csv")
    lesions = _lesions(groupings) if groupings else {}
    official = files["test"] is not None
    entries = []
    for part in PARTS if official else ("train",):
        for image, classname in _one_hot(files[part], names) if files[part] else []:
            found = raw.image(image, _WORDS[part].lower())
            entries.append(Entry(found, classname, part if official else None, lesions.get(image)))
    notes = [] if official else ["no ground truth of the test: the training images are divided"]
    return Release(
        entries, notes + ([] if lesions else ["no LesionGroupings.csv: images of one lesion may be in two parts"])
    )


def _one_hot(path: Path, names: dict[str, str]) -> list[tuple[str, str]]:
    """(image, class name) of each row of a one-hot table."""
    rows = read_table(path)
    image, *codes = (column(rows, path.name, key) for key in ("image", *names))
    found = []
    for row in rows:
        marked = [code for code in codes if row[code] in ("1", "1.0")]
        if len(marked) != 1:
            raise UserError(f"{path.name}: {row[image]} has {len(marked)} diagnoses of {', '.join(names)}")
        found.append((row[image], names[marked[0].upper()]))
    return found


def _lesions(path: Path) -> dict[str, str]:
    rows = read_table(path)
    image, lesion = column(rows, path.name, "image"), column(rows, path.name, "lesion_id")
    return {row[image]: row[lesion] for row in rows}


def ham10000(raw: RawTree) -> Release:
    """`HAM10000_metadata.csv` (image_id, lesion_id, dx): divided by lesion, 10,015 images of 7,470 lesions."""
    rows = raw.table("HAM10000_metadata.csv", "HAM10000_metadata")
    names = dict(zip((code.lower() for code in _ISIC), FACTS["ham10000"].classnames, strict=True))
    image, lesion, dx = (column(rows, "HAM10000_metadata.csv", name) for name in ("image_id", "lesion_id", "dx"))
    unknown = {row[dx] for row in rows} - set(names)
    if unknown:
        raise UserError(f"HAM10000_metadata.csv: unknown diagnosis {sorted(unknown)[0]!r}; known: {', '.join(names)}")
    return Release([Entry(raw.image(row[image]), names[row[dx]], None, row[lesion]) for row in rows])
