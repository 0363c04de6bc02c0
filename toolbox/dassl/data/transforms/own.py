"""Transforms that torchvision lacks."""

import random

import numpy as np
import torch
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms.functional import InterpolationMode


class Random2DTranslation:
    """With probability `p` the image is enlarged by an eighth and cut at a random place, else only resized."""

    def __init__(
        self,
        height: int,
        width: int,
        p: float = 0.5,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    ) -> None:
        self.height, self.width = height, width
        self.p = p
        self.interpolation = interpolation

    def __call__(self, img: Image.Image) -> Image.Image:
        if random.random() > self.p:
            return F.resize(img, [self.height, self.width], interpolation=self.interpolation)
        height, width = round(self.height * 1.125), round(self.width * 1.125)
        img = F.resize(img, [height, width], interpolation=self.interpolation)
        left = round(random.uniform(0, width - self.width))
        top = round(random.uniform(0, height - self.height))
        return F.crop(img, top, left, self.height, self.width)

    def __repr__(self) -> str:
        return f"Random2DTranslation(size=({self.height}, {self.width}), p={self.p})"


class InstanceNormalization:
    """Each channel of an image (3, height, width) to mean 0 and standard deviation 1 (Ulyanov et al., 2016)."""

    def __init__(self, eps: float = 1e-8) -> None:
        self.eps = eps

    def __call__(self, img: torch.Tensor) -> torch.Tensor:
        mean = img.mean(dim=(1, 2), keepdim=True)
        std = img.flatten(1).std(dim=1)[:, None, None]
        return (img - mean) / (std + self.eps)

    def __repr__(self) -> str:
        return f"InstanceNormalization(eps={self.eps})"


class Cutout:
    """Sets `n_holes` squares of side `length` pixels at random centres to 0 (DeVries and Taylor, 2017)."""

    def __init__(self, n_holes: int = 1, length: int = 16) -> None:
        self.n_holes = n_holes
        self.length = length

    def __call__(self, img: torch.Tensor) -> torch.Tensor:
        height, width = img.shape[1:]
        img = img.clone()
        half = self.length // 2
        for _ in range(self.n_holes):
            y, x = np.random.randint(height), np.random.randint(width)
            img[:, max(y - half, 0) : y + half, max(x - half, 0) : x + half] = 0
        return img

    def __repr__(self) -> str:
        return f"Cutout(n_holes={self.n_holes}, length={self.length})"


class GaussianNoise:
    """With probability `p` adds noise of the given mean and standard deviation to each value."""

    def __init__(self, mean: float = 0.0, std: float = 0.15, p: float = 0.5) -> None:
        self.mean, self.std = mean, std
        self.p = p

    def __call__(self, img: torch.Tensor) -> torch.Tensor:
        if random.random() > self.p:
            return img
        return img + torch.randn(img.shape) * self.std + self.mean

    def __repr__(self) -> str:
        return f"GaussianNoise(mean={self.mean}, std={self.std}, p={self.p})"
