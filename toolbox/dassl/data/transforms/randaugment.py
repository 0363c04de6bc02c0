"""RandAugment (Cubuk et al., 2020) and two variants that draw a strength for each operation, as Dassl draws them.

`RandAugment2` skips each operation with probability 1 - p; `RandAugmentFixMatch` (Sohn et al., 2020, appendix D) applies
all. Strengths lie evenly between the two ends in the lists; an operation with two directions takes either.
"""

import random

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

_COVER = (125, 123, 114)  # the mean colour of ImageNet


def _either(v: float) -> float:
    return -v if random.random() > 0.5 else v


def _affine(img: Image.Image, *matrix: float) -> Image.Image:
    return img.transform(img.size, Image.Transform.AFFINE, matrix)


def ShearX(img: Image.Image, v: float) -> Image.Image:
    return _affine(img, 1, _either(v), 0, 0, 1, 0)


def ShearY(img: Image.Image, v: float) -> Image.Image:
    return _affine(img, 1, 0, 0, _either(v), 1, 0)


def TranslateX(img: Image.Image, v: float) -> Image.Image:
    """By a share `v` of the width."""
    return _affine(img, 1, 0, _either(v) * img.width, 0, 1, 0)


def TranslateY(img: Image.Image, v: float) -> Image.Image:
    """By a share `v` of the height."""
    return _affine(img, 1, 0, 0, 0, 1, _either(v) * img.height)


def TranslateXabs(img: Image.Image, v: float) -> Image.Image:
    """By `v` pixels."""
    return _affine(img, 1, 0, _either(v), 0, 1, 0)


def TranslateYabs(img: Image.Image, v: float) -> Image.Image:
    """By `v` pixels."""
    return _affine(img, 1, 0, 0, 0, 1, _either(v))


def Rotate(img: Image.Image, v: float) -> Image.Image:
    """By `v` degrees."""
    return img.rotate(_either(v))


def AutoContrast(img: Image.Image, _: float) -> Image.Image:
    return ImageOps.autocontrast(img)


def Invert(img: Image.Image, _: float) -> Image.Image:
    return ImageOps.invert(img)


def Equalize(img: Image.Image, _: float) -> Image.Image:
    return ImageOps.equalize(img)


def Identity(img: Image.Image, _: float) -> Image.Image:
    return img


def Flip(img: Image.Image, _: float) -> Image.Image:
    return ImageOps.mirror(img)


def Solarize(img: Image.Image, v: float) -> Image.Image:
    """Invert values from `v` on."""
    return ImageOps.solarize(img, v)


def SolarizeAdd(img: Image.Image, addition: float = 0, threshold: float = 128) -> Image.Image:
    """Add to all values, cut off at 255, then invert those from `threshold` on."""
    values = np.clip(np.asarray(img).astype(int) + addition, 0, 255).astype(np.uint8)
    return ImageOps.solarize(Image.fromarray(values), threshold)


def Posterize(img: Image.Image, v: float) -> Image.Image:
    """Keep `v` bits."""
    return ImageOps.posterize(img, int(v))


def Contrast(img: Image.Image, v: float) -> Image.Image:
    return ImageEnhance.Contrast(img).enhance(v)


def Color(img: Image.Image, v: float) -> Image.Image:
    return ImageEnhance.Color(img).enhance(v)


def Brightness(img: Image.Image, v: float) -> Image.Image:
    return ImageEnhance.Brightness(img).enhance(v)


def Sharpness(img: Image.Image, v: float) -> Image.Image:
    return ImageEnhance.Sharpness(img).enhance(v)


def Cutout(img: Image.Image, v: float) -> Image.Image:
    """Cover a square with sides of a share `v` of the width."""
    return CutoutAbs(img, v * img.width) if v > 0 else img


def CutoutAbs(img: Image.Image, v: float) -> Image.Image:
    """Cover a square of `v` pixels at a drawn place; its corner lies half a side before that place."""
    if v < 0:
        return img
    # numpy's uniform with one argument draws between it and 1.
    left, top = (int(max(0, np.random.uniform(side) - v / 2)) for side in img.size)
    img = img.copy()
    ImageDraw.Draw(img).rectangle((left, top, min(img.width, left + v), min(img.height, top + v)), _COVER)
    return img


Choice = tuple
"""An operation and the ends of its strength."""
_HALF = ((ShearX, -0.3, 0.3), (ShearY, -0.3, 0.3), (Solarize, 0, 256), (TranslateX, -0.3, 0.3), (TranslateY, -0.3, 0.3))


def randaugment_list() -> list[Choice]:
    """What RandAugment draws from."""
    colours = [(operation, 0.1, 1.9) for operation in (Color, Contrast, Brightness, Sharpness)]
    return [
        *((operation, 0, 1) for operation in (AutoContrast, Equalize, Invert)),
        (Rotate, 0, 30),
        (Posterize, 4, 8),
        (Solarize, 0, 256),
        (SolarizeAdd, 0, 110),
        *colours,
        (ShearX, 0.0, 0.3),
        (ShearY, 0.0, 0.3),
        (CutoutAbs, 0, 40),
        (TranslateXabs, 0.0, 100),
        (TranslateYabs, 0.0, 100),
    ]


def randaugment_list2() -> list[Choice]:
    """What RandAugment2 draws from."""
    return _signed(0.1, 1.9, (Invert, 0, 1))


def fixmatch_list() -> list[Choice]:
    """What RandAugmentFixMatch draws from."""
    return _signed(0.05, 0.95)


def _signed(low: float, high: float, *more: Choice) -> list[Choice]:
    """By name, as a draw counts places in the list; colours lie between `low` and `high`."""
    colours = [(operation, low, high) for operation in (Brightness, Color, Contrast, Sharpness)]
    plain = [(operation, 0, 1) for operation in (AutoContrast, Equalize, Identity)]
    others = [*_HALF, (Posterize, 4, 8), (Rotate, -30, 30)]
    return sorted([*colours, *plain, *others, *more], key=lambda choice: choice[0].__name__)


class RandAugment:
    """`n` random operations at strength `m` of 30."""

    def __init__(self, n: int = 2, m: float = 10) -> None:
        assert 0 <= m <= 30, f"the strength is {m}, and must lie between 0 and 30"
        self.n, self.m = n, m
        self.augment_list = randaugment_list()

    def __call__(self, img: Image.Image) -> Image.Image:
        for operation, low, high in random.choices(self.augment_list, k=self.n):
            img = operation(img, self.m / 30 * (high - low) + low)
        return img

    def __repr__(self) -> str:
        return f"RandAugment(n={self.n}, m={self.m})"


class RandAugmentFixMatch:
    """`n` random operations, all applied."""

    def __init__(self, n: int = 2) -> None:
        self.n = n
        self.augment_list = fixmatch_list()

    def __call__(self, img: Image.Image) -> Image.Image:
        for operation, low, high in random.choices(self.augment_list, k=self.n):
            if self.applied():
                img = operation(img, random.random() * (high - low) + low)
        return img

    def applied(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n={self.n})"


class RandAugment2(RandAugmentFixMatch):
    """`n` random operations, each applied with probability `p`."""

    def __init__(self, n: int = 2, p: float = 0.6) -> None:
        self.n, self.p = n, p
        self.augment_list = randaugment_list2()

    def applied(self) -> bool:
        return random.random() <= self.p
