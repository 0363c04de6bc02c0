"""AutoAugment (Cubuk et al., CVPR 2019) as Dassl draws it: from Python's `random`, with grey where nothing is.

The policies of the paper are torchvision's tables; its own `AutoAugment` draws from torch and other strengths.
"""

import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import AutoAugment, AutoAugmentPolicy

__all__ = ["CIFAR10Policy", "ImageNetPolicy", "SVHNPolicy", "SubPolicy"]

Colour = tuple[int, int, int]
GREY: Colour = (128, 128, 128)
_STEPS = 10


def _either(value: float) -> float:
    """`value` with a drawn sign."""
    return value * random.choice([-1, 1])


def _affine(img: Image.Image, matrix: tuple[float, ...], fill: Colour, smooth: bool) -> Image.Image:
    mode = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return img.transform(img.size, Image.Transform.AFFINE, matrix, mode, fillcolor=fill)


def _rotate(img: Image.Image, degrees: float, _: Colour) -> Image.Image:
    turned = img.convert("RGBA").rotate(degrees)
    return Image.composite(turned, Image.new("RGBA", turned.size, (128,) * 4), turned).convert(img.mode)


def _enhance(kind: type) -> Callable[[Image.Image, float, Colour], Image.Image]:
    return lambda img, strength, _: kind(img).enhance(1 + _either(strength))


_TO_09, _TO_03 = np.linspace(0, 0.9, _STEPS), np.linspace(0, 0.3, _STEPS)
_SHARE = np.linspace(0, 150 / 331, _STEPS)
_NONE = np.zeros(_STEPS)
_OPERATIONS = {  # strengths by step, and what is done
    "shearX": (_TO_03, lambda i, v, fill: _affine(i, (1, _either(v), 0, 0, 1, 0), fill, True)),
    "shearY": (_TO_03, lambda i, v, fill: _affine(i, (1, 0, 0, _either(v), 1, 0), fill, True)),
    "translateX": (_SHARE, lambda i, v, fill: _affine(i, (1, 0, _either(v * i.width), 0, 1, 0), fill, False)),
    "translateY": (_SHARE, lambda i, v, fill: _affine(i, (1, 0, 0, 0, 1, _either(v * i.height)), fill, False)),
    "rotate": (np.linspace(0, 30, _STEPS), _rotate),
    "color": (_TO_09, _enhance(ImageEnhance.Color)),
    "contrast": (_TO_09, _enhance(ImageEnhance.Contrast)),
    "sharpness": (_TO_09, _enhance(ImageEnhance.Sharpness)),
    "brightness": (_TO_09, _enhance(ImageEnhance.Brightness)),
    "posterize": (np.linspace(8, 4, _STEPS).round(), lambda i, bits, _: ImageOps.posterize(i, int(bits))),
    "solarize": (np.linspace(256, 0, _STEPS), lambda i, threshold, _: ImageOps.solarize(i, threshold)),
    "autocontrast": (_NONE, lambda i, v, _: ImageOps.autocontrast(i)),
    "equalize": (_NONE, lambda i, v, _: ImageOps.equalize(i)),
    "invert": (_NONE, lambda i, v, _: ImageOps.invert(i)),
}


class SubPolicy:
    """Two operations, one after the other, each with its probability and its strength, a step from 0 to 9."""

    def __init__(
        self,
        p1: float,
        operation1: str,
        magnitude_idx1: int,
        p2: float,
        operation2: str,
        magnitude_idx2: int,
        fillcolor: Colour = GREY,
    ) -> None:
        self.steps = ((p1, operation1, magnitude_idx1), (p2, operation2, magnitude_idx2))
        self.fillcolor = fillcolor

    def __call__(self, img: Image.Image) -> Image.Image:
        for probability, operation, step in self.steps:
            if random.random() < probability:
                strengths, apply = _OPERATIONS[operation]
                img = apply(img, strengths[step], self.fillcolor)
        return img


class _Policy:
    """One of 25 sub-policies, drawn for each image."""

    table: AutoAugmentPolicy

    def __init__(self, fillcolor: Colour = GREY) -> None:
        names = {name.lower(): name for name in _OPERATIONS}
        self.policies = [
            SubPolicy(p1, names[first.lower()], step1 or 0, p2, names[second.lower()], step2 or 0, fillcolor)
            for (first, p1, step1), (second, p2, step2) in AutoAugment(self.table).policies
        ]

    def __call__(self, img: Image.Image) -> Image.Image:
        return self.policies[random.randint(0, len(self.policies) - 1)](img)

    def __repr__(self) -> str:
        return f"AutoAugment({self.table.value})"


class ImageNetPolicy(_Policy):
    table = AutoAugmentPolicy.IMAGENET


class CIFAR10Policy(_Policy):
    table = AutoAugmentPolicy.CIFAR10


class SVHNPolicy(_Policy):
    table = AutoAugmentPolicy.SVHN
