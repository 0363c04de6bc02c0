"""What can happen to a file: a bit flips, its end is cut off, it is gone."""

import random
from pathlib import Path


def flip(path: Path, rng: random.Random) -> str:
    """Flip one bit; what was done, in words."""
    content = bytearray(path.read_bytes())
    place, bit = rng.randrange(len(content)), rng.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {place} of {path.name} flipped"


def cut(path: Path, rng: random.Random) -> str:
    """Cut the end off."""
    content = path.read_bytes()
    left = rng.randrange(len(content))
    path.write_bytes(content[:left])
    return f"{path.name} cut to {left} of {len(content)} bytes"


def remove(path: Path, rng: random.Random) -> str:
    """Remove the file."""
    path.unlink()
    return f"{path.name} removed"
