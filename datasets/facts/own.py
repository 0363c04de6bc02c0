"""Facts of a data set that is in no table: what its folder tells."""

from pathlib import Path

from toolbox.errors import UserError

from .entry import Facts

TEMPLATE = "a photo of a {}."


def own_facts(root: str | Path, folder: str, split_file: str = "") -> Facts:
    """Facts of the data set in `folder` below `root`, called as the folder is; its split file is looked for if not given."""
    path = Path(root).expanduser().absolute() / folder
    name = path.resolve().name if folder in ("", ".") else path.name
    return Facts(name.lower(), name, folder, split_file or find_split_file(path), "", (), "", TEMPLATE, "", "")


def find_split_file(folder: Path) -> str:
    """Name of the split file in `folder`: `<folder>.json`, `split_<folder>.json`, `split.json`, or the only JSON file there.

    Raises UserError if the folder is missing, or holds no or several other JSON files.
    """
    if not folder.is_dir():
        raise UserError(f"folder {folder} is missing; name it with DATASET.FOLDER, below --root")
    names = [f"{folder.name}.json", f"split_{folder.name}.json", "split.json"]
    found = [name for name in names if (folder / name).is_file()][:1] or sorted(
        path.name for path in folder.glob("*.json")
    )
    if not found:
        raise UserError(f"{folder} has no split file; make one with `python -m cilmp data prepare folders` or `csv`")
    if len(found) != 1:
        raise UserError(f"{folder} has {len(found)} JSON files; name the split with DATASET.SPLIT")
    return found[0]
