"""The door of the project: one command (`python -m cilmp`), thin over the rooms behind it."""

__version__ = "0.2.0"
