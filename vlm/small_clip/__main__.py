"""Writes the small CLIP as an ordinary checkpoint in OpenAI's format: `python -m vlm.small_clip export PATH`."""

from pathlib import Path

import torch

from toolbox.command import run_command
from toolbox.files import atomic_write
from toolbox.parser import Parser
from vlm.small_clip import state_dict


def main() -> None:
    parser = Parser(prog="python -m vlm.small_clip", description=__doc__)
    parser.add_argument("action", choices=["export"], help="write the weights as a checkpoint in OpenAI's format")
    parser.add_argument("path", type=Path, help="the file to write, e.g. small_clip.pt")
    path = parser.parse_args().path
    atomic_write(path, lambda part: torch.save(state_dict(), part))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_command(main)
