"""Draws a phantom by hand: `python -m datasets.phantom --root DATA [--name phantom16]`.

`--world SEED` draws other kinds for `phantom` instead: it replaces `world.json` and the descriptions in llm/descriptions,
from which the rows are then to be made anew (scripts/prepare/new_world.sh does both).
"""

from pathlib import Path

import yaml

from datasets.phantom.generate import PHANTOMS, ensure_phantom
from datasets.phantom.world import WORLD, World, draw_world
from toolbox.command import run_command
from toolbox.errors import UserError
from toolbox.files import atomic_text
from toolbox.parser import Parser

DESCRIPTIONS = Path(__file__).resolve().parents[2] / "llm" / "descriptions"


def main() -> None:
    parser = Parser(prog="python -m datasets.phantom", description=__doc__, raw=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--root", help="data folder; the phantom goes into its sub-folder of that name")
    what.add_argument("--world", type=int, metavar="SEED", help="draw other kinds of cell for `phantom`")
    parser.add_argument("--name", choices=list(PHANTOMS), default="phantom", help="which phantom")
    args = parser.parse_args()
    if args.root:
        print(ensure_phantom(args.root, args.name))
        return
    if args.world < 0:
        raise UserError(f"--world {args.world}: give a whole number from 0")
    world = draw_world(args.world)
    texts = {"phantom": world.descriptions(), "phantom-paraphrased": world.paraphrases()}
    for path, text in [
        (WORLD, world.text()),
        *((DESCRIPTIONS / f"{k}.yaml", described(world, v)) for k, v in texts.items()),
    ]:
        atomic_text(path, text)
        print(path)


def described(world: World, classes: dict[str, str]) -> str:
    """A file of llm/descriptions, with each class in plain words too."""
    head = f"# By `python -m datasets.phantom --world {world.seed}`: kinds and names are invented, terms are haematology's.\n"
    source = "terms as in the ICSH recommendations on peripheral blood cell morphology (Palmer et al., 2015)"
    content = {"modality": "blood smear", "source": source, "classes": classes, "plain": world.plain()}
    return head + yaml.safe_dump(content, sort_keys=False, width=120)


if __name__ == "__main__":
    run_command(main)
