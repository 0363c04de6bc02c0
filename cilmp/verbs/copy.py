"""Copy a configuration or plan that comes with the project, to change it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from cilmp.forward import door
from toolbox.errors import UserError, nearest
from toolbox.parser import Parser

EXAMPLES = ("CILMP/small_clip my_cilmp.yaml", "realistic my_plan.yaml")


def main(argv: Sequence[str]) -> int:
    """The verb; returns the exit code."""
    parser = Parser(prog=f"{door()} copy", description=__doc__)
    parser.add_argument("config", metavar="CONFIG", help="METHOD/STEM or a plan: see `list configs` and `list plans`")
    parser.add_argument("file", type=Path, metavar="FILE", help="where to; it must not be there yet")
    args = parser.parse_args(argv)
    source = find(args.config)
    if args.file.exists():
        raise UserError(f"{args.file} is already there: give another FILE")
    try:
        args.file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, args.file)
    except OSError as error:
        raise UserError(f"{args.file} cannot be written: {error.strerror}") from error
    kind = "run" if "plans" in source.parts else f"train --trainer {source.parent.name} --config-file"
    print(f"{args.file}: change it, then `{door()} {kind} {args.file}`")
    return 0


def find(name: str) -> Path:
    """The file of "METHOD/STEM", of a plan's name, or at that path. Raises UserError, with the nearest names, for no file."""
    from benchmark.configs import ROOT

    folders = {path: path.relative_to(ROOT / "configs" / "trainers") for path in _yaml("configs/trainers")}
    folders |= {path: path.relative_to(ROOT / "benchmark" / "plans") for path in _yaml("benchmark/plans")}
    known = {str(short.with_suffix("")): path for path, short in folders.items()}
    wanted = name.removesuffix(".yaml")
    if wanted in known:
        return known[wanted]
    if Path(name).is_file():
        return Path(name)
    raise UserError(f"no configuration {name!r}; {nearest(wanted, known)} ({door()} list configs)")


def _yaml(folder: str) -> list[Path]:
    from benchmark.configs import ROOT

    return sorted((ROOT / folder).rglob("*.yaml"))
