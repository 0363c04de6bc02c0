"""The backbones known by name: `python -m vlm.list`. Any other open_clip or Hugging Face CLIP can be given by its address."""

import sys
from collections.abc import Sequence
from pathlib import Path

from toolbox.columns import table as fitted
from toolbox.columns import told
from toolbox.command import program, run_command
from toolbox.errors import UserError
from toolbox.parser import Parser
from vlm.loading.presets import Preset, find, presets


def where(preset: Preset) -> Path | None:
    """The file with the backbone's weights on this machine; None if it would have to be fetched."""
    from vlm.loading import conch, hub, huggingface, openai, openclip, pmcclip, unimed  # only now: this takes seconds

    kind, _, rest = preset.source.partition(":")
    if kind == "small_clip":
        from vlm.small_clip import WEIGHTS as path
    elif kind == "openai":
        path = openai.archive(rest)[1]
    elif kind == "hf-file":
        return hub.cached(*rest.rsplit("/", 1))
    elif kind == "conch":
        path = Path(rest).expanduser() / conch.WEIGHTS
    elif kind == "pmc-clip":
        path = Path(rest).expanduser() / pmcclip.IMAGE
    elif kind == "unimed-clip":
        return hub.cached(*unimed.MODELS[rest][1:])
    elif kind == "hf-hub":
        return hub.cached(rest, *openclip.WEIGHTS, *huggingface.WEIGHTS)
    else:
        return openclip.cached(*rest.split("/", 1))
    return path if path.is_file() else None


def table() -> str:
    """Name, source, licence, size of the download, and whether the weights are here."""
    rows = []
    for preset in presets().values():
        here = "yes" if where(preset) else "no"
        rows.append(
            (preset.name, preset.source, preset.licence, f"{preset.size_mb} MB", f"{preset.image_size} px", here)
        )
    return fitted(rows, ("backbone", "source", "licence", "size", "images", "here"))


def facts(name: str) -> str:
    """All that is known of one backbone; UserError for an unknown name."""
    preset = find(name)
    if preset is None:
        raise UserError(f"no preset {name!r}; known: {', '.join(presets())}")
    path = where(preset)
    facts = {**vars(preset), "here": path or "no"}
    return told(
        (f"{key}:", ", ".join(map(str, v)) if isinstance(v, tuple) else str(v)) for key, v in facts.items() if v != ()
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = Parser(prog=program("python -m vlm.list"), description=__doc__)
    parser.add_argument("name", nargs="?", help="show all that is known of one backbone")
    name = parser.parse_args(argv).name
    print(facts(name) if name else table())
    if not name:
        print(
            "\nalso: open_clip:MODEL/TAG, hf-hub:ORG/REPO, hf-file:ORG/REPO/FILE, a folder or a file; see docs/backbones.md"
        )
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
