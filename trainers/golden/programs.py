"""What else has recordings, beside the methods: another program of the field is a class here, and stands in PROGRAMS.

It has what a method has for this: `recorded_as`, names from `Recording.names`, and `replay`.
"""

from collections.abc import Iterator
from typing import Protocol

from trainers.golden.adapt import Adaptation
from trainers.golden.conformal import FullConformal, PredictionSets
from trainers.golden.draws import Draws
from trainers.life.recording import Column, Recording


class Program(Protocol):
    """A program that is no method of its own."""

    recorded_as: tuple[str, ...]

    @classmethod
    def replay(cls, recording: Recording) -> Iterator[Column]:
        """What we compute for the columns of a recording."""


PROGRAMS: tuple[type[Program], ...] = (Draws, Adaptation, PredictionSets, FullConformal)
