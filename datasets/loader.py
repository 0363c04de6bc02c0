"""The images of a data set as torch reads them: Dassl's `DatasetWrapper`, but every image opened by `datasets.images`."""

import sys
from collections.abc import Callable
from types import TracebackType

import torch
from PIL import Image

import toolbox  # noqa: F401  makes dassl importable
from dassl.data.data_manager import DatasetWrapper

from .cache import open_cache
from .images import read_image
from .reading import Reading


def quiet_when_left_alone(_worker: int) -> None:
    """For DataLoader's `worker_init_fn`: a loading process whose sister was killed has nothing to say about the broken pipe.

    The run itself ends with one line about it.
    """

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, ConnectionError | EOFError):
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = hook


class ImageDataset(DatasetWrapper):
    """Items are `{"img", "label", "domain", "impath", "index"}` as in Dassl; `DataManager(cfg, dataset_wrapper=ImageDataset)`.

    With DATALOADER.CACHE, images come decoded from a memory-mapped file that is made on first use.
    """

    def __init__(self, cfg, data_source, transform=None, is_train=False):
        super().__init__(cfg, data_source, transform=transform, is_train=is_train)
        self.sums = {item.impath: getattr(item, "sha256", "") for item in data_source}
        self.below = next((getattr(item, "below", "") for item in data_source), "")
        self.reading = Reading.of(cfg)
        self.read = open_cache(cfg, self.sums, self.below).read if cfg.DATALOADER.CACHE else self._decode

    def __getitem__(self, index: int) -> dict:
        item = self.data_source[index]
        image = self.read(item.impath)
        output = {"label": item.label, "domain": item.domain, "impath": item.impath, "index": index}
        if self.transform is None:
            output["img"] = image
        else:
            transforms = self.transform if isinstance(self.transform, list | tuple) else [self.transform]
            for number, transform in enumerate(transforms, start=1):
                output["img" if number == 1 else f"img{number}"] = self._augment(transform, image)
        if self.return_img0:
            output["img0"] = self.to_tensor(image)
        return output

    def _decode(self, path: str) -> Image.Image:
        return read_image(path, self.sums[path], self.reading, self.below)

    def _augment(self, transform: Callable, image: Image.Image) -> torch.Tensor | list[torch.Tensor]:
        images = [transform(image) for _ in range(self.k_tfm)]
        return images if len(images) > 1 else images[0]
