"""Releases of chest X-rays: CPN (COVID, pneumonia, normal) and the paediatric films of Kermany et al."""

import re
from pathlib import Path

from toolbox.errors import UserError

from ..facts import FACTS
from .raw import Entry, RawTree, Release


def cpn_x_ray(raw: RawTree) -> Release:
    """Folders COVID, NORMAL, PNEUMONIA."""
    folders = raw.class_folders(("COVID", "NORMAL", "PNEUMONIA"))
    return Release([Entry(path, name.lower()) for name, paths in folders.items() for path in paths])


def pneumonia2(raw: RawTree) -> Release:
    """`{train,test}/{NORMAL,PNEUMONIA}`; the 16 films of Kaggle's `val` go back to train, where they were cut from."""
    normal, pneumonia = FACTS["pneumonia2"].classnames
    return _kermany(raw, {"NORMAL": normal, "bacteria": pneumonia, "virus": pneumonia})


def pneumonia3(raw: RawTree) -> Release:
    """As `pneumonia2`, with bacterial and viral pneumonia told apart by the file name."""
    return _kermany(raw, dict(zip(("NORMAL", "bacteria", "virus"), FACTS["pneumonia3"].classnames, strict=True)))


def kermany_patient(path: Path, part: str) -> str:
    """The patient in a file name (`person12_virus_3`, `IM-0115-0001`); train and test number persons separately."""
    found = re.match(r"(person\d+|(?:NORMAL2-)?IM-\d+)", path.name)
    return f"{part}-{found.group(1) if found else path.stem}"


def _kermany(raw: RawTree, names: dict[str, str]) -> Release:
    entries = []
    top = _innermost(raw)
    for path in raw.images:
        if not path.is_relative_to(top):
            continue
        below = path.relative_to(top).parts
        if (
            len(below) < 3
            or below[0] not in ("train", "val", "test")
            or below[1].upper() not in ("NORMAL", "PNEUMONIA")
        ):
            continue
        kind = (
            "NORMAL"
            if below[1].upper() == "NORMAL"
            else next((k for k in ("bacteria", "virus") if k in path.name), None)
        )
        if kind is None:
            raise UserError(f"{raw.relative(path)}: neither bacteria nor virus in the file name")
        part = "test" if below[0] == "test" else "train"
        entries.append(Entry(path, names[kind], part, kermany_patient(path, part)))
    return Release(entries)


def _innermost(raw: RawTree) -> Path:
    """The folder with `train` and `test` in it; Kaggle's archive holds it twice, one inside the other."""
    folders = {folder for parent in {path.parent for path in raw.images} for folder in parent.parents}
    tops = [
        top for top in folders if top.is_relative_to(raw.root) and (top / "train").is_dir() and (top / "test").is_dir()
    ]
    if not tops:
        raise UserError(f"no folder with train and test below {raw.root}; expected {{train,test}}/{{NORMAL,PNEUMONIA}}")
    return min(tops, key=lambda top: (len(top.parts), top))
