"""The two variants of RandAugment that draw a strength for each operation.

`RandAugment2` skips each operation with probability 1 - p; `RandAugmentFixMatch` (Sohn et al., 2020, appendix D) applies
all. Strengths are uniform between the two ends given in the tables.
"""

import random
from collections.abc import Callable

from PIL import Image, ImageEnhance, ImageOps

Operation = Callable[[Image.Image, float], Image.Image]


def _affine(img: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return img.transform(img.size, Image.Transform.AFFINE, matrix)


def _enhance(kind: type) -> Operation:
    return lambda img, strength: kind(img).enhance(strength)


_OPERATIONS: dict[str, Operation] = {
    "autocontrast": lambda img, _: ImageOps.autocontrast(img),
    "equalize": lambda img, _: ImageOps.equalize(img),
    "identity": lambda img, _: img,
    "invert": lambda img, _: ImageOps.invert(img),
    "brightness": _enhance(ImageEnhance.Brightness),
    "color": _enhance(ImageEnhance.Color),
    "contrast": _enhance(ImageEnhance.Contrast),
    "sharpness": _enhance(ImageEnhance.Sharpness),
    "posterize": lambda img, bits: ImageOps.posterize(img, max(1, int(bits))),
    "solarize": lambda img, threshold: ImageOps.solarize(img, int(threshold)),
    "rotate": lambda img, degrees: img.rotate(degrees),
    "shear_x": lambda img, share: _affine(img, (1, share, 0, 0, 1, 0)),
    "shear_y": lambda img, share: _affine(img, (1, 0, 0, share, 1, 0)),
    "translate_x": lambda img, share: _affine(img, (1, 0, share * img.width, 0, 1, 0)),
    "translate_y": lambda img, share: _affine(img, (1, 0, 0, 0, 1, share * img.height)),
}

_SHAPES = {
    "autocontrast": (0, 1),
    "equalize": (0, 1),
    "identity": (0, 1),
    "posterize": (4, 8),
    "rotate": (-30, 30),
    "shear_x": (-0.3, 0.3),
    "shear_y": (-0.3, 0.3),
    "solarize": (0, 256),
    "translate_x": (-0.3, 0.3),
    "translate_y": (-0.3, 0.3),
}
_COLOURS = ("brightness", "color", "contrast", "sharpness")
_RANGES_2 = {**_SHAPES, "invert": (0, 1), **dict.fromkeys(_COLOURS, (0.1, 1.9))}
_RANGES_FIXMATCH = {**_SHAPES, **dict.fromkeys(_COLOURS, (0.05, 0.95))}


class RandAugment2:
    """`n` random operations, each applied with probability `p`."""

    ranges = _RANGES_2

    def __init__(self, n: int = 2, p: float = 0.6) -> None:
        self.n = n
        self.p = p

    def __call__(self, img: Image.Image) -> Image.Image:
        for name in random.choices(list(self.ranges), k=self.n):
            if random.random() <= self.p:
                img = _OPERATIONS[name](img, random.uniform(*self.ranges[name]))
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n={self.n}, p={self.p})"


class RandAugmentFixMatch(RandAugment2):
    """`n` random operations, all applied."""

    ranges = _RANGES_FIXMATCH

    def __init__(self, n: int = 2) -> None:
        super().__init__(n, p=1.0)
