"""What there is, a line each: methods, backbones, datasets, llms, configs or plans."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from cilmp.forward import door
from toolbox.columns import told
from toolbox.parser import Parser

EXAMPLES = ("methods", "configs CILMP")


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code."""
    parser = Parser(prog=f"{door()} list", description=__doc__)
    parser.add_argument("what", choices=KINDS, help="what to list")
    parser.add_argument("name", nargs="?", default="", help="configs: of this method alone")
    args = parser.parse_args(argv)
    print(told(KINDS[args.what](args.name)))
    return 0


def methods(_: str) -> Iterable[tuple[str, str]]:
    """Each method and what is trained."""
    from benchmark.configs import ROOT, Configs
    from toolbox.plain import read_yaml

    facts = read_yaml(ROOT / "trainers" / "facts.yaml")
    for name in Configs().methods():
        yield name, f"trains: {facts[name]['trained']}" if name in facts else ""


def backbones(_: str) -> Iterable[tuple[str, str]]:
    """Each preset with its source and licence; any other is given by its address or file."""
    from vlm.loading.presets import presets

    for preset in presets().values():
        yield preset.name, f"{preset.source}; {preset.licence}"


def datasets(_: str) -> Iterable[tuple[str, str]]:
    """Each data set with its modality, classes and licence."""
    from datasets.facts import FACTS

    for facts in FACTS.values():
        licence = f"; {facts.licence}" if facts.licence else ""
        yield facts.name, f"{facts.modality}, {len(facts.classnames)} classes{licence}"


def llms(_: str) -> Iterable[tuple[str, str]]:
    """Each preset of `llm extract --model`."""
    from llm.presets import find_preset, preset_names

    for name in preset_names():
        preset = find_preset(name)
        yield name, f"{preset.model}, {preset.layers} x {preset.hidden_size}; {preset.licence}"


def configs(method: str) -> Iterable[tuple[str, str]]:
    """Each configuration of a method, or of all."""
    from benchmark.configs import Configs

    found = Configs()
    for name in [method] if method else found.methods():
        for stem in found.stems(name):
            yield f"{name}/{stem}", str(found.method(name, stem))


def plans(_: str) -> Iterable[tuple[str, str]]:
    """Each plan that comes with the project and the first line of its comment."""
    from benchmark.configs import ROOT

    for path in sorted((ROOT / "benchmark" / "plans").rglob("*.yaml")):
        yield _shown(path), path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


KINDS = {
    "methods": methods,
    "backbones": backbones,
    "datasets": datasets,
    "llms": llms,
    "configs": configs,
    "plans": plans,
}
