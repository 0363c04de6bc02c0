"""What `clip.build_model` was asked for: the `design_details` that MaPLe's copy of CLIP, and those made from it, take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolbox.errors import UserError

OWN = ("IVLP", "VPT")
"""Trainers whose layers hold prompts of their own: `VPT` and `VPT_shallow` among the parameters of a tower."""
COUPLED = ("MaPLe", "CoPrompt")
"""Trainers that hand the prompts of all layers to both towers with each call."""
PLAIN = ("CoOp", "CoCoOp")
_NUMBERS = ("vision_depth", "language_depth", "vision_ctx", "language_ctx")
_KEYS = {"trainer", *_NUMBERS, "maple_length"}


@dataclass(frozen=True)
class Design:
    """Kind of prompts in the towers; the default is CLIP without any.

    Attributes:
        trainer: one of OWN, COUPLED, PLAIN.
        vision_depth, language_depth: layers that hold prompts, for OWN. The first text layer's are the trainer's.
        vision_ctx, language_ctx: prompts in each of them.
        maple_length: prompts in each layer, for COUPLED.
    """

    trainer: str = "CoOp"
    vision_depth: int = 0
    language_depth: int = 0
    vision_ctx: int = 0
    language_ctx: int = 0
    maple_length: int = 0

    @property
    def coupled(self) -> bool:
        return self.trainer in COUPLED

    @classmethod
    def read(cls, details: Mapping[str, Any] | None) -> "Design":
        """The design that a trainer's dictionary describes; None is plain CLIP.

        Raises:
            UserError: it is no dictionary, lacks a key, has an unknown one, or asks for what is not built here.
        """
        if details is None:
            return cls()
        if not isinstance(details, Mapping):
            raise UserError(
                f"clip.build_model takes weights and design_details, a dictionary; {details!r} is none "
                "(the precision is given by name: half=False)"
            )
        design = cls(**cls._checked(details))
        if design.trainer in PLAIN and (design.vision_depth or design.language_depth):
            raise UserError(
                f"design_details ask for {design.trainer} with prompts in the towers, which it does not have"
            )
        return design

    @staticmethod
    def _checked(details: Mapping[str, Any]) -> dict[str, Any]:
        trainer = details.get("trainer")
        if trainer not in (*OWN, *COUPLED, *PLAIN):
            known = ", ".join((*OWN, *COUPLED, *PLAIN))
            raise UserError(
                f"design_details name trainer {trainer!r}, whose CLIP the bundled one does not build (it knows {known}): "
                "put the clip/ folder of that repository beside your train.py"
            )
        needed = {"maple_length"} if trainer in COUPLED else set(_NUMBERS) if trainer in OWN else set()
        for key in sorted(needed - set(details)):
            raise UserError(f"design_details of trainer {trainer} lack {key}")
        for key in sorted(set(details) - _KEYS, key=str):
            raise UserError(
                f"design_details have {key!r}, which the bundled CLIP does not know: put the clip/ folder of that "
                "repository beside your train.py"
            )
        for key in sorted(set(details) - {"trainer"}):
            if type(details[key]) is not int or details[key] < 0:
                raise UserError(f"{key} in design_details is {details[key]!r}, not a whole number from 0 on")
        return dict(details)
