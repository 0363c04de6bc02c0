"""The model card that goes with a run: what it is, what it was measured on, and what it is not for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolbox.run_files import read_predictions
from toolbox.scores import SCORES
from toolbox.words import shown

NOT_FOR = (
    "For research only. **Not a medical device**: it must not be used to diagnose, to treat or to decide about a patient. It "
    "was not checked for bias against any group of patients, and says nothing of devices, sites and classes other than those "
    "it was measured on."
)
LICENCES = "Licences of data and backbone are their publishers': look them up before you pass this on."
DRAWN = "**Synthetic**: trained and measured on drawn images. The figures check the machinery; they say nothing about patients."


def card(folder: Path, result: Mapping[str, Any], files: list[str]) -> str:
    """Markdown with the header that hubs read."""
    name = f"{result['method']} on {shown(result['dataset'])}"
    header = (
        "---\nlibrary_name: cilmp\npipeline_tag: image-classification\ntags:\n- medical\n- clip\n- prompt-tuning\n---"
    )
    parts = [header, f"# {name}", *([DRAWN] if result.get("synthetic") else []), _what(result), "## Use", _use(files)]
    parts += ["## Measured", _metrics(folder, result), "## Intended use", NOT_FOR, "## Provenance", _provenance(result)]
    return "\n\n".join(parts) + "\n"


def _what(result: Mapping[str, Any]) -> str:
    shots = f"{result['shots']} images a class" if result["shots"] > 0 else "all training images"
    names = "; ".join(shown(name) for name in result["classnames"])
    return (
        f"{result['method']} over the frozen CLIP `{shown(result['backbone'])}`, trained on {shots} "
        f"({shown(result['dataset'])}, classes: {shown(result['subset'])}; draw {result.get('draw', 'coop')}, seed "
        f"{result['seed']}); {result['trainable_params']:,} trained parameters. The backbone's own weights are not in here: "
        f"they are loaded by name, and refused if they are others.\n\nClasses: {names}."
    )


def _use(files: list[str]) -> str:
    sets = '\nrun.predict(["image.png"], coverage=0.9)   # sets, as calibrated' if "conformal.json" in files else ""
    return f'```python\nimport cilmp\n\nrun = cilmp.open("this folder")\nrun.predict(["image.png"]){sets}\n```'


def _metrics(folder: Path, result: Mapping[str, Any]) -> str:
    from benchmark.subgroups import intervals

    kept = read_predictions(folder, len(result["classnames"]), result.get("predictions"))
    if kept is None:
        found = {name: f"{result['metrics'][name]:.1f}" for name in SCORES if result["metrics"].get(name) is not None}
        note = "Without intervals: the run kept no predictions."
    else:
        found = {
            name: f"{value:.1f} ({low:.1f} to {high:.1f})"
            for name, (value, low, high) in intervals(kept, result["classnames"]).items()
            if value is not None
        }
        note = f"On {len(kept.labels)} test images, with 95 % intervals over images (bootstrap); other seeds vary more."
    rows = "\n".join(f"| {SCORES[name].title} | {text} |" for name, text in found.items())
    return f"| metric (0 to 100) | value |\n| --- | ---: |\n{rows}\n\n{note}"


def _provenance(result: Mapping[str, Any]) -> str:
    facts = {
        "backbone weights": result["backbone_hash"],
        "test split": result["split"].get("test", ""),
        "training images": result["split"].get("fewshot") or result["split"].get("train", ""),
        "language model's rows": (result.get("rows") or {}).get("sha256", ""),
        "result.json": result.get("sha256", ""),
    }
    rows = "\n".join(f"| {name} | `{value}` |" for name, value in facts.items() if value)
    made = f"Made by cilmp {result.get('version', '')}; preprocessing: {shown(result.get('transform', ''))}."
    return f"| | SHA-256 |\n| --- | --- |\n{rows}\n\n{made} {LICENCES}"
