"""A data set on disk, and the configuration that reads it."""

from pathlib import Path

import pytest

import toolbox  # noqa: F401  makes dassl importable
from dassl.config import get_cfg_default
from datasets.config import extend_cfg


@pytest.fixture
def cfg_for(tmp_path: Path):
    """Makes a configuration: `cfg_for("split", FOLDER="cells", NUM_SHOTS=2)` sets keys of DATASET; the root is `tmp_path`."""

    def make(name: str, seed: int = 1, **keys):
        cfg = get_cfg_default()
        extend_cfg(cfg)
        cfg.DATASET.ROOT = str(tmp_path)
        cfg.DATASET.NAME = name
        cfg.OUTPUT_DIR = str(tmp_path / "output")
        cfg.SEED = seed
        cfg.DATALOADER.NUM_WORKERS = 0
        cfg.INPUT.SIZE = (16, 16)
        for key, value in keys.items():
            cfg.DATASET[key] = value
        return cfg

    return make
