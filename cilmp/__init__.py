"""The door of the project: one command (`cilmp`, or `python -m cilmp`), thin over the rooms behind it."""

from pathlib import Path

from cilmp.rooms import open_rooms

open_rooms(Path(__file__).resolve().parent)

from toolbox.version import VERSION as __version__  # noqa: E402  the rooms must be open

__all__ = ["__version__"]
