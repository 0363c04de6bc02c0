"""A data set of twelve-pixel images, a linear trainer in the old style, and configurations for them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from yacs.config import CfgNode

import toolbox  # noqa: F401
from dassl.config import get_cfg_default
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum
from dassl.engine import TRAINER_REGISTRY, TrainerX
from dassl.metrics import compute_accuracy
from dassl.optim import build_lr_scheduler, build_optimizer

SIZE = 12


@DATASET_REGISTRY.register()
class Squares(DatasetBase):
    """30 images of three classes, told apart by their colour, in DATASET.ROOT."""

    def __init__(self, cfg: CfgNode) -> None:
        files = sorted(Path(cfg.DATASET.ROOT).glob("*.png"))
        items = [
            Datum(str(file), label=i % 3, domain=i % 2, classname=f"colour {i % 3}") for i, file in enumerate(files)
        ]
        super().__init__(train_x=items[:20], train_u=items[10:20], val=items[20:25], test=items[20:])


@TRAINER_REGISTRY.register()
class LinearTrainer(TrainerX):
    """One linear layer behind dropout; written as trainers of the CoOp family are."""

    def build_model(self) -> None:
        self.model = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(3 * SIZE * SIZE, self.num_classes))
        self.model.to(self.device)
        self.optim = build_optimizer(self.model, self.cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, self.cfg.OPTIM)
        self.register_model("model", self.model, self.optim, self.sched)

    def forward_backward(self, batch: dict) -> dict[str, float]:
        images, labels, _ = self.parse_batch_train(batch)
        logits = self.model(images)
        loss = F.cross_entropy(logits, labels)
        self.model_backward_and_update(loss)
        if self.batch_idx + 1 == self.num_batches:
            self.update_lr()
        return {"loss": loss.item(), "acc": compute_accuracy(logits, labels)[0].item()}


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("squares")
    draw = np.random.default_rng(0)
    for i in range(30):
        colour = np.roll([220, 120, 40], i % 3)
        pixels = draw.random((SIZE + 4, SIZE + 4, 3)) * colour
        Image.fromarray(pixels.astype("uint8")).save(folder / f"{i:02d}.png")
    return folder


@pytest.fixture
def make_cfg(image_folder: Path, tmp_path: Path) -> Callable[..., CfgNode]:
    """A function from keys and values to a configuration; by default its output is the test's own folder."""

    def make(*options: object) -> CfgNode:
        cfg = get_cfg_default()
        fixed = {
            "DATASET.ROOT": str(image_folder),
            "DATASET.NAME": "Squares",
            "OUTPUT_DIR": str(tmp_path / "run"),
            "TRAINER.NAME": "LinearTrainer",
            "INPUT.SIZE": (SIZE, SIZE),
            "INPUT.TRANSFORMS": ("random_flip", "random_resized_crop", "normalize", "cutout", "gaussian_noise"),
            "DATALOADER.NUM_WORKERS": 0,
            "DATALOADER.TRAIN_X.BATCH_SIZE": 8,
            "OPTIM.NAME": "sgd",
            "OPTIM.LR": 0.01,
            "OPTIM.MAX_EPOCH": 4,
            "OPTIM.LR_SCHEDULER": "cosine",
            "OPTIM.WARMUP_EPOCH": 1,
            "OPTIM.WARMUP_TYPE": "constant",
            "TRAIN.PRINT_FREQ": 1,
        }
        cfg.merge_from_list([entry for pair in fixed.items() for entry in pair])
        cfg.merge_from_list(list(options))
        return cfg

    return make


@pytest.fixture(autouse=True)
def own_random_states() -> None:
    """Each test draws the same numbers, whatever ran before it."""
    torch.manual_seed(0)
    np.random.seed(0)
