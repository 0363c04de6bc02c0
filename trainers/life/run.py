"""What the rooms around a method need to know of the run they serve. `trainers.base.PromptTrainer` is one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from yacs.config import CfgNode

from dassl.data import DataManager
from trainers.life.precision import Precision
from vlm.prompts.prompted import PromptedCLIP


class Run(Protocol):
    """A method with its data, on its device, somewhere between its first start and its result."""

    cfg: CfgNode
    section: str
    folder: str
    trains: bool
    needs_every_class: bool
    chooses: bool
    dm: DataManager | SimpleNamespace
    model: PromptedCLIP
    device: torch.device
    precision: Precision
    output_dir: str
    epoch: int
    batch_idx: int
    max_epoch: int
    resumable_epoch: int
    starts: int
    step_seconds: list[float]
    trained_in: Path | None
    fingerprint: dict[str, str]
    lab2cname: dict[int, str]
    num_classes: int
    train_loader_x: DataLoader
    val_loader: DataLoader | None
    test_loader: DataLoader

    @property
    def options(self) -> CfgNode: ...

    def save_model(self, epoch: int, directory: str) -> Any: ...

    def parse_batch_test(self, batch: dict) -> tuple[Tensor, Tensor]: ...

    def model_inference(self, images: Tensor) -> Tensor: ...

    def write_scalar(self, tag: str, value: float, step: int) -> None: ...

    def train_seconds(self) -> float: ...
