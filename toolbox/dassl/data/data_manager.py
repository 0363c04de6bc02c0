"""From a data set to the loaders of its splits."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torchvision.transforms as T
from tabulate import tabulate
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from yacs.config import CfgNode

from dassl.utils import read_image
from toolbox.errors import UserError

from .datasets import build_dataset
from .samplers import build_sampler
from .transforms import build_transform, interpolation_mode


class DatasetWrapper(TorchDataset):
    """Gives item `idx` as {"img", "label", "domain", "impath", "index"}, the image read and transformed.

    `transform` may be a list: then the keys are img, img2, img3, ... In training an image is transformed
    DATALOADER.K_TRANSFORMS times (a list under "img" if more than once). DATALOADER.RETURN_IMG0 adds "img0", which is
    only resized and, when the transforms do so, normalised.
    """

    def __init__(
        self,
        cfg: CfgNode,
        data_source: Sequence,
        transform: Callable | Sequence[Callable] | None = None,
        is_train: bool = False,
    ) -> None:
        self.cfg = cfg
        self.data_source = data_source
        self.transform = transform
        self.is_train = is_train
        self.k_tfm = cfg.DATALOADER.K_TRANSFORMS if is_train else 1
        self.return_img0 = cfg.DATALOADER.RETURN_IMG0
        if self.k_tfm > 1 and transform is None:
            raise UserError(f"DATALOADER.K_TRANSFORMS={self.k_tfm} needs transforms, but there are none")
        plain = [T.Resize(cfg.INPUT.SIZE, interpolation=interpolation_mode(cfg)), T.ToTensor()]
        if "normalize" in cfg.INPUT.TRANSFORMS:
            plain.append(T.Normalize(mean=cfg.INPUT.PIXEL_MEAN, std=cfg.INPUT.PIXEL_STD))
        self.to_tensor = T.Compose(plain)

    def __len__(self) -> int:
        return len(self.data_source)

    def __getitem__(self, idx: int) -> dict[str, Any]:
        item = self.data_source[idx]
        output = {"label": item.label, "domain": item.domain, "impath": item.impath, "index": idx}
        image = read_image(item.impath)
        if self.transform is None:
            output["img"] = image
        else:
            transforms = self.transform if isinstance(self.transform, list | tuple) else [self.transform]
            for number, transform in enumerate(transforms, start=1):
                output["img" if number == 1 else f"img{number}"] = self._apply(transform, image)
        if self.return_img0:
            output["img0"] = self.to_tensor(image)
        return output

    def _apply(self, transform: Callable, image: Any) -> Any:
        made = [transform(image) for _ in range(self.k_tfm)]
        return made[0] if len(made) == 1 else made


def build_data_loader(
    cfg: CfgNode,
    sampler_type: str = "SequentialSampler",
    data_source: Sequence | None = None,
    batch_size: int = 64,
    n_domain: int = 0,
    n_ins: int = 2,
    tfm: Callable | Sequence[Callable] | None = None,
    is_train: bool = True,
    dataset_wrapper: type | None = None,
) -> DataLoader:
    """A loader over `data_source`; in training an incomplete last batch is dropped, unless it is the only one."""
    if not data_source:
        raise UserError("a data loader needs at least one image")
    sampler = build_sampler(
        sampler_type, cfg=cfg, data_source=data_source, batch_size=batch_size, n_domain=n_domain, n_ins=n_ins
    )
    wrapper = dataset_wrapper or DatasetWrapper
    loader = DataLoader(
        wrapper(cfg, data_source, transform=tfm, is_train=is_train),
        batch_size=batch_size,
        sampler=sampler,
        num_workers=cfg.DATALOADER.NUM_WORKERS,
        drop_last=is_train and len(data_source) >= batch_size,
        pin_memory=torch.cuda.is_available() and cfg.USE_CUDA,
    )
    if len(loader) == 0:
        raise UserError(
            f"the sampler {sampler_type} finds no whole batch of {batch_size} among {len(data_source)} images"
        )
    return loader


class DataManager:
    """Reads the data set of the configuration and makes the loaders train_loader_x, train_loader_u, val_loader, test_loader.

    The last three are None where the data set lacks the split, except that there must be a test split.
    """

    def __init__(
        self,
        cfg: CfgNode,
        custom_tfm_train: Callable | Sequence[Callable] | None = None,
        custom_tfm_test: Callable | Sequence[Callable] | None = None,
        dataset_wrapper: type | None = None,
    ) -> None:
        self.dataset = build_dataset(cfg)
        if not self.dataset.test:
            raise UserError(f"the dataset {cfg.DATASET.NAME} has no test images")
        tfm_train = custom_tfm_train or build_transform(cfg, is_train=True)
        tfm_test = custom_tfm_test or build_transform(cfg, is_train=False)

        def loader(items: Sequence | None, part: CfgNode, is_train: bool) -> DataLoader | None:
            if not items:
                return None
            return build_data_loader(
                cfg,
                sampler_type=part.SAMPLER,
                data_source=items,
                batch_size=part.BATCH_SIZE,
                n_domain=part.get("N_DOMAIN", 0),
                n_ins=part.get("N_INS", 2),
                tfm=tfm_train if is_train else tfm_test,
                is_train=is_train,
                dataset_wrapper=dataset_wrapper,
            )

        parts = cfg.DATALOADER
        self.train_loader_x = loader(self.dataset.train_x, parts.TRAIN_X, is_train=True)
        unlabelled_part = parts.TRAIN_X if parts.TRAIN_U.SAME_AS_X else parts.TRAIN_U
        self.train_loader_u = loader(self.dataset.train_u, unlabelled_part, is_train=True)
        self.val_loader = loader(self.dataset.val, parts.TEST, is_train=False)
        self.test_loader = loader(self.dataset.test, parts.TEST, is_train=False)
        self._num_source_domains = len(cfg.DATASET.SOURCE_DOMAINS)
        if cfg.VERBOSE:
            self.show_dataset_summary(cfg)

    @property
    def num_classes(self) -> int:
        return self.dataset.num_classes

    @property
    def num_source_domains(self) -> int:
        return self._num_source_domains

    @property
    def lab2cname(self) -> dict[int, str]:
        return self.dataset.lab2cname

    def show_dataset_summary(self, cfg: CfgNode) -> None:
        """Print how many classes and images there are."""
        rows: list[tuple[str, Any]] = [("Dataset", cfg.DATASET.NAME)]
        if cfg.DATASET.SOURCE_DOMAINS:
            rows.append(("Source", cfg.DATASET.SOURCE_DOMAINS))
        if cfg.DATASET.TARGET_DOMAINS:
            rows.append(("Target", cfg.DATASET.TARGET_DOMAINS))
        rows.append(("# classes", f"{self.num_classes:,}"))
        for split in ("train_x", "train_u", "val", "test"):
            items = getattr(self.dataset, split)
            if items:
                rows.append((f"# {split}", f"{len(items):,}"))
        print(tabulate(rows))
