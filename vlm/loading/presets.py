"""Backbones known by name: configs/backbones/*.yaml, facts as data."""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from toolbox.errors import UserError
from toolbox.plain import PlainError, read_yaml

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "backbones"


@dataclass(frozen=True)
class Preset:
    """One backbone.

    Attributes:
        name: what MODEL.BACKBONE.NAME says; letter case does not matter.
        aliases: other names of it.
        source: where `vlm.load` takes it from: small_clip, openai:NAME, open_clip:MODEL/TAG, hf-hub:ORG/REPO,
            hf-file:ORG/REPO/FILE (a checkpoint with OpenAI's names), unimed-clip:NAME, pmc-clip:FOLDER, conch:FOLDER.
        about: the towers, in a few words.
        paper: whom to cite.
        licence: of the weights, as their publisher states it.
        size_mb: of the download.
        image_size: pixels a side.
        mean, std: normalisation of RGB values in 0..1.
        templates: prompts that its authors used, each with one {}.
    """

    name: str
    source: str
    about: str
    paper: str
    licence: str
    size_mb: int
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    templates: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "Preset":
        """Raises UserError if the file is not yaml, or lacks a fact or has one too many."""
        try:
            facts = read_yaml(path)
            return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()})
        except (PlainError, TypeError, AttributeError) as error:
            known = ", ".join(field.name for field in fields(cls))
            raise UserError(f"{path}: {' '.join(str(error).split())}; a preset has {known}") from error


@cache
def presets() -> dict[str, Preset]:
    """All presets by name, in the order of their files."""
    found = (Preset.read(path) for path in sorted(FOLDER.glob("*.yaml")))
    return {preset.name: preset for preset in found}


def find(name: str) -> Preset | None:
    """The preset of that name or alias, whatever the letter case; None if there is none."""
    for preset in presets().values():
        if name.lower() in (n.lower() for n in (preset.name, *preset.aliases, preset.source)):
            return preset
    return None
