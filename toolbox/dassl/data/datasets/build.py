"""Data sets by name."""

from yacs.config import CfgNode

from dassl.utils import Registry

from .base_dataset import DatasetBase

DATASET_REGISTRY = Registry("DATASET")


def build_dataset(cfg: CfgNode) -> DatasetBase:
    """The data set `cfg.DATASET.NAME`, read; UserError when there is none of that name."""
    dataset = DATASET_REGISTRY.get(cfg.DATASET.NAME)
    if cfg.VERBOSE:
        print(f"Loading dataset: {cfg.DATASET.NAME}")
    return dataset(cfg)
