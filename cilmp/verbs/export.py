"""A run as a program that needs none of this project: ONNX, TorchScript or torch.export's pt2.

It is compared with the run on 32 images before it is kept. Beside it lies a JSON with the preprocessing and the class names,
which are in the file's own metadata too. Methods whose prompts depend on the image take one image at a time.
"""

from collections.abc import Sequence
from pathlib import Path

from cilmp.forward import door
from toolbox.parser import Parser

EXAMPLES = ("output/.../seed1 --to onnx", "output/.../seed1 --to torchscript --out model.pt")
KINDS = ("onnx", "torchscript", "pt2")


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code."""
    parser = Parser(prog=f"{door()} export", description=__doc__, raw=True)
    add = parser.add_argument
    add("run", metavar="RUN", help="output folder of a finished training run, or hub:ORG/NAME")
    add("--to", required=True, choices=KINDS, help="onnx needs the extra `export`")
    add("--out", type=Path, help="the file (default: RUN/model with the kind's suffix)")
    add("--plugin", action="append", default=[], help="Python file that registers the run's method")
    args = parser.parse_args(argv)
    from cilmp.exporting import export
    from cilmp.run import Run
    from trainers.life.plugins import load_plugins

    load_plugins(args.plugin)
    run = Run.open(args.run)
    file, apart = export(run, args.to, args.out or run.folder / "model")
    print(
        f"{file}: {file.stat().st_size / 1e6:.1f} MB, logits within {apart:.0e} of the largest; {file.stem}.json beside it"
    )
    return 0
