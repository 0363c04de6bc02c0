"""The tables of published data sets: a yaml file a collection, a row a data set."""

from pathlib import Path
from typing import Any

from toolbox.plain import read_yaml

from .entry import Facts

HERE = Path(__file__).parent
ARCHIVE = "https://huggingface.co/datasets/TahaKoleilat/BiomedCoOp"
SEQUENCES = ("classnames", "more_templates", "sizes")


def read_table(name: str) -> list[Facts]:
    """Rows of `<name>.yaml` here; what a row leaves out follows from its name: folder, split file, images."""
    rows = read_yaml(HERE / f"{name}.yaml")
    return [
        Facts(**{"name": key, "folder": key, "split_file": f"{key}.json", "images": "", **_tuples(row)})
        for key, row in rows.items()
    ]


def read_biomedcoop() -> list[Facts]:
    """Rows of the BiomedCoOp collection, whose files all lie the same way and come from one archive."""
    rows = read_yaml(HERE / "biomedcoop.yaml")
    return [_biomedcoop(key, _tuples(row)) for key, row in rows.items()]


def _biomedcoop(key: str, row: dict[str, Any]) -> Facts:
    folder = row["folder"]
    same = {"dassl_name": f"BiomedCoOp_{folder}", "split_file": f"split_{folder}.json", "images": folder}
    source = f"{ARCHIVE} (with its split; images: {row['source']})"
    return Facts(**{**row, **same, "name": f"biomedcoop/{key}", "source": source})


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if key in SEQUENCES else value for key, value in row.items()}
