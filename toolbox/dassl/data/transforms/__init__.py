"""Image transforms by the names of INPUT.TRANSFORMS."""

from .transforms import AVAI_CHOICES, INTERPOLATION_MODES, build_transform, interpolation_mode

__all__ = ["AVAI_CHOICES", "INTERPOLATION_MODES", "build_transform", "interpolation_mode"]
