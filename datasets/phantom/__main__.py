"""Draws the phantom by hand: `python -m datasets.phantom --root DATA`."""

import argparse

from datasets.phantom.generate import ensure_phantom
from toolbox.command import run_command


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m datasets.phantom", description=__doc__)
    parser.add_argument("--root", required=True, help="data folder; the phantom goes into its sub-folder `phantom`")
    print(ensure_phantom(parser.parse_args().root))


if __name__ == "__main__":
    run_command(main)
