"""The door of the project: one command (`python -m cilmp`), thin over the rooms behind it."""

from toolbox.version import VERSION as __version__

__all__ = ["__version__"]
