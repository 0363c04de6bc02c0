"""Hand a run on: weights, rows, configuration and a model card, into a folder or onto the Hugging Face hub.

`cilmp.open` and the other verbs read such a folder; `hub:ORG/NAME` is downloaded first. What was trained is a few megabytes:
the frozen CLIP is not in it. On the hub it is private at first.
"""

from collections.abc import Sequence
from pathlib import Path

from cilmp.forward import door
from toolbox.parser import Parser

EXAMPLES = ("output/.../seed1 --to handed_on/", "output/.../seed1 --to hub:ORG/NAME")


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code."""
    parser = Parser(prog=f"{door()} share", description=__doc__, raw=True)
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="output folder of a finished training run")
    add("--to", required=True, metavar="FOLDER|hub:ORG/NAME", help="a new folder, or a repository of the hub")
    add("--predictions", action="store_true", help="predictions.npz too: it has the names of the test images")
    args = parser.parse_args(argv)
    from cilmp.sharing import share

    print(f"{args.run}: {share(args.run, args.to, args.predictions)}")
    return 0
