"""Named language models: `configs/llm/*.yaml`, one file a model, facts and defaults as data."""

from dataclasses import dataclass, fields
from pathlib import Path

from toolbox.errors import UserError
from toolbox.plain import read_yaml

ANSWERS = ("model", "written", "none")
"""Who answers the question about a class."""
POOLINGS = ("last", "mean", "tokens")
"""What is kept of the answer's tokens."""
FOLDER = Path(__file__).parent.parent / "configs" / "llm"


@dataclass(frozen=True)
class Preset:
    """Facts about a language model and what extraction does with it unless told otherwise.

    `model` is a name on the Hugging Face hub, or `package:module/folder` for weights inside an installed package.
    """

    model: str
    kind: str  # causal | encoder
    hidden_size: int
    layers: int
    licence: str
    page: str
    command: str
    note: str = ""
    gated: bool = False
    install: str = ""
    display_name: str = ""
    answer: str = "model"
    pooling: str = "last"


def preset_names() -> list[str]:
    """Names that `--model` understands besides hub names and folders."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find_preset(name: str) -> Preset | None:
    """The preset called `name` (case does not matter), if there is one. Raises UserError for a file with odd keys."""
    path = FOLDER / f"{name.lower()}.yaml"
    if name.lower() not in preset_names():
        return None
    content = read_yaml(path)
    unknown = set(content) - {f.name for f in fields(Preset)}
    missing = {"model", "kind", "hidden_size", "layers", "licence", "page", "command"} - set(content)
    if unknown or missing:
        raise UserError(f"{path.name}: unknown keys {sorted(unknown)}, missing keys {sorted(missing)}")
    return Preset(**content)
