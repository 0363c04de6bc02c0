"""From the names in INPUT.TRANSFORMS to one transform: PIL image -> tensor (3, height, width)."""

from collections.abc import Callable, Sequence

import torchvision.transforms as T
from torchvision.transforms.functional import InterpolationMode
from yacs.config import CfgNode

from toolbox.errors import UserError, nearest

from .autoaugment import CIFAR10Policy, ImageNetPolicy, SVHNPolicy
from .own import Cutout, GaussianNoise, InstanceNormalization, Random2DTranslation
from .randaugment import RandAugment, RandAugment2, RandAugmentFixMatch

__all__ = [
    "AVAI_CHOICES",
    "INTERPOLATION_MODES",
    "CIFAR10Policy",
    "Cutout",
    "GaussianNoise",
    "ImageNetPolicy",
    "InstanceNormalization",
    "RandAugment",
    "RandAugment2",
    "RandAugmentFixMatch",
    "Random2DTranslation",
    "SVHNPolicy",
    "build_transform",
    "interpolation_mode",
]

INTERPOLATION_MODES = {
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
    "nearest": InterpolationMode.NEAREST,
}

# In the order in which they are applied, before and after the image becomes a tensor.
_ON_IMAGES: dict[str, Callable[[CfgNode], Callable]] = {
    "random_translation": lambda c: Random2DTranslation(c.SIZE[0], c.SIZE[1]),
    "random_crop": lambda c: T.RandomCrop(c.SIZE, padding=c.CROP_PADDING),
    "random_resized_crop": lambda c: T.RandomResizedCrop(
        c.SIZE, scale=c.RRCROP_SCALE, interpolation=INTERPOLATION_MODES[c.INTERPOLATION]
    ),
    "random_flip": lambda c: T.RandomHorizontalFlip(),
    "imagenet_policy": lambda c: ImageNetPolicy(),
    "cifar10_policy": lambda c: CIFAR10Policy(),
    "svhn_policy": lambda c: SVHNPolicy(),
    "randaugment": lambda c: RandAugment(c.RANDAUGMENT_N, c.RANDAUGMENT_M),
    "randaugment_fixmatch": lambda c: RandAugmentFixMatch(c.RANDAUGMENT_N),
    "randaugment2": lambda c: RandAugment2(c.RANDAUGMENT_N),
    "colorjitter": lambda c: T.ColorJitter(c.COLORJITTER_B, c.COLORJITTER_C, c.COLORJITTER_S, c.COLORJITTER_H),
    "randomgrayscale": lambda c: T.RandomGrayscale(p=c.RGS_P),
    "gaussian_blur": lambda c: T.RandomApply([T.GaussianBlur(c.GB_K)], p=c.GB_P),
}
_ON_TENSORS: dict[str, Callable[[CfgNode], Callable]] = {
    "cutout": lambda c: Cutout(c.CUTOUT_N, c.CUTOUT_LEN),
    "normalize": lambda c: T.Normalize(mean=c.PIXEL_MEAN, std=c.PIXEL_STD),
    "gaussian_noise": lambda c: GaussianNoise(c.GN_MEAN, c.GN_STD),
    "instance_norm": lambda c: InstanceNormalization(),
}
_TEST = ("normalize", "instance_norm")
_SIZED = ("random_crop", "random_resized_crop")

AVAI_CHOICES = [*_ON_IMAGES, *_ON_TENSORS, "center_crop"]  # the last is always applied in tests, and only there


def interpolation_mode(cfg: CfgNode) -> InterpolationMode:
    """The mode named by INPUT.INTERPOLATION; UserError for another name."""
    name = cfg.INPUT.INTERPOLATION
    if name not in INTERPOLATION_MODES:
        raise UserError(f'INPUT.INTERPOLATION: unknown "{name}"; {nearest(name, INTERPOLATION_MODES)}')
    return INTERPOLATION_MODES[name]


def build_transform(cfg: CfgNode, is_train: bool = True, choices: Sequence[str] | None = None) -> Callable | None:
    """The transform for training, or the deterministic one for tests; None if INPUT.NO_TRANSFORM.

    `choices` replaces INPUT.TRANSFORMS. Images are first resized to INPUT.SIZE, in tests by their smaller edge and then
    cut at the centre. UserError for a name that is not in AVAI_CHOICES.
    """
    if cfg.INPUT.NO_TRANSFORM:
        print("Note: no transform is applied")
        return None
    choices = cfg.INPUT.TRANSFORMS if choices is None else choices
    for name in choices:
        if name not in AVAI_CHOICES:
            raise UserError(f'INPUT.TRANSFORMS: unknown "{name}"; {nearest(name, AVAI_CHOICES)}')
    mode, size = interpolation_mode(cfg), cfg.INPUT.SIZE
    if is_train:
        first = [] if any(name in choices for name in _SIZED) else [T.Resize(size, interpolation=mode)]
        first += [make(cfg.INPUT) for name, make in _ON_IMAGES.items() if name in choices]
        wanted = choices
    else:
        first = [T.Resize(max(size), interpolation=mode), T.CenterCrop(size)]
        wanted = [name for name in choices if name in _TEST]
    last = [make(cfg.INPUT) for name, make in _ON_TENSORS.items() if name in wanted]
    steps = [*first, T.ToTensor(), *last]
    print(f"Transform for {'training' if is_train else 'testing'}: {', '.join(map(str, steps))}")
    return T.Compose(steps)
