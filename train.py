"""One run of one method on one data set: training and testing, or testing alone. The flags are CoOp's."""

import argparse
import os
import sys

from toolbox.command import program, run_command
from toolbox.parser import Parser


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """Command line to arguments; what remains, KEY VALUE pairs, is `opts`."""
    p = Parser(
        prog=program("train.py"),
        description=__doc__,
        epilog="With --trainer NAME --help, the method's own keys too; `python -m cilmp list methods`.",
    )
    p.add_argument("--root", default="", help="path to the data sets")
    p.add_argument("--output-dir", default="", help="output directory")
    p.add_argument("--resume", default="", help="checkpoint directory to resume from (the output directory by default)")
    p.add_argument("--seed", type=int, default=-1, help="only a positive value fixes the seed")
    p.add_argument("--source-domains", nargs="+", help="source domains for DA/DG")
    p.add_argument("--target-domains", nargs="+", help="target domains for DA/DG")
    p.add_argument("--transforms", nargs="+", help="data augmentation methods")
    p.add_argument(
        "--config-file",
        default="",
        help="the method's configuration (default: as the scripts choose it; with --model-dir, that run's)",
    )
    p.add_argument("--dataset-config-file", default="", help="path to the data set's configuration")
    p.add_argument("--trainer", default="", help="name of the method")
    p.add_argument("--backbone", default="", help="name of the CLIP: small_clip, ViT-B/16, ..., or a checkpoint file")
    p.add_argument("--draw", default="", help="few-shot draw: coop, standard, relaxed or realistic (DATASET.DRAW)")
    p.add_argument("--head", default="", help="name of the head")
    p.add_argument("--eval-only", action="store_true", help="evaluation only")
    p.add_argument("--model-dir", default="", help="load a model from this directory, for --eval-only")
    p.add_argument("--load-epoch", type=int, help="load the weights after this many epochs, for --eval-only")
    p.add_argument(
        "--again", action="store_true", help="move another run in the output folder aside (NAME.before-1) and run anew"
    )
    much = p.add_mutually_exclusive_group()
    much.add_argument("--verbose", action="store_true", help="print the whole configuration, and all that log.txt has")
    much.add_argument("--quiet", action="store_true", help="print the results alone; log.txt has all")
    p.add_argument("--no-train", action="store_true", help="do not call trainer.train()")
    p.add_argument(
        "--plugin",
        action="append",
        default=[],
        help="Python file or folder that registers trainers or data sets; PATH:NAME calls its trainer NAME",
    )
    p.add_argument(
        "--plugin-config",
        action="append",
        default=[],
        help="its configuration keys: a train.py with extend_cfg, or a yaml file (default: its own, or its checkout's)",
    )
    p.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="any configuration keys")
    words = sys.argv[1:] if argv is None else argv
    if {"-h", "--help"} & set(words) and "--trainer" in words[:-1]:
        p.print_help()
        print_options(words[words.index("--trainer") + 1])
        p.exit()
    args = p.parse_args(words)
    if len(args.opts) % 2:
        p.error(f"KEY VALUE pairs expected at the end, got {len(args.opts)} words: {' '.join(args.opts)}")
    return args


def print_options(method: str) -> None:
    """The keys of a method, their defaults and ranges."""
    from trainers.list import main as list_methods

    print("\nKEY VALUE pairs of the method:\n")
    list_methods([method])


def run(argv: list[str] | None = None) -> None:
    """Do what the command line says; results are in the output directory.

    Raises:
        UserError: bad input, in one sentence.
    """
    args = _ready(argv)
    from trainers.life.start import start

    start(args)


def differences(argv: list[str], result: dict) -> list[str]:
    """How the finished run with this result.json differs from the one that the command line asks for.

    Raises:
        UserError: bad input, in one sentence.
    """
    args = _ready(argv)
    from trainers.life.config import setup_cfg
    from trainers.life.request import compare

    return compare(result, args, setup_cfg(args))


def check_needs(argv: list[str]) -> None:
    """Pass if the rows and files that the command line's run needs are there; nothing is read or run besides.

    Raises:
        UserError: one is not, or other bad input, in one sentence.
    """
    args = _ready(argv)
    from trainers.life.config import setup_cfg
    from trainers.life.fingerprint import check_needs as check

    check(setup_cfg(args))


def _ready(argv: list[str] | None) -> argparse.Namespace:
    """The arguments, with methods and data sets registered and a configuration chosen."""
    args = parse(argv)
    import datasets  # noqa: F401  registers the data sets
    import trainers  # noqa: F401  registers the methods
    from benchmark.configs import config_for
    from trainers.life.plugins import load_plugins

    load_plugins(args.plugin, args.plugin_config)
    args.config_file = args.config_file or config_for(args)
    return args


def main(argv: list[str] | None = None) -> None:
    """The command."""
    # torch reads this when it is imported: each process of torchrun warns otherwise that it looks for parameters without use
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    run(argv)


if __name__ == "__main__":
    run_command(main)
