"""Runs of trainers that are no PromptTrainer: their results in the files that ours leave, so that tables hold both."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from dassl.engine import TrainerBase
from toolbox.checkpoints import BEST, POINTER, pointed_file
from toolbox.errors import UserError
from trainers.life import fingerprint, result
from trainers.life.metrics import evaluate

PRECISION = "the trainer's own"
"""What result.json has in the place of a precision: no run of a PromptTrainer says so."""


class Recorder:
    """Stands before a trainer's evaluator and keeps what the last test gave it."""

    def __init__(self, trainer: TrainerBase) -> None:
        self.trainer, self.began = trainer, time.monotonic()
        self.logits: list[Tensor] = []
        self.labels: list[Tensor] = []
        self._reset, self._process = trainer.evaluator.reset, trainer.evaluator.process
        trainer.evaluator.reset, trainer.evaluator.process = self.reset, self.process

    def reset(self) -> None:
        self.logits, self.labels = [], []
        self._reset()

    def process(self, output: Any, label: Tensor) -> None:
        logits = output[0] if isinstance(output, tuple | list) else output
        self.logits.append(logits.detach().float().cpu())
        self.labels.append(label.cpu())
        self._process(output, label)

    def write(self, tested: dict[str, Any] | None, trained_in: Path | None, config_name: str) -> None:
        """Write result.json and predictions.npz, if the last test was of the test images.

        Raises:
            UserError: logits are not finite.
        """
        trainer, items = self.trainer, self.trainer.dm.dataset.test
        labels = torch.cat(self.labels) if self.labels else torch.empty(0)
        if labels.tolist() != [item.label for item in items]:
            print("No result is written: the last test was not of the test images, in their order")
            return
        logits = torch.cat(self.logits)
        if not torch.isfinite(logits).all():
            raise UserError("logits are not finite: no result is written")
        scores = evaluate(logits.numpy(), labels.numpy(), [trainer.lab2cname[i] for i in range(logits.shape[1])])
        run = _as_run(trainer, tested, trained_in, config_name, time.monotonic() - self.began)
        result.write(run, scores, logits.numpy(), labels.numpy(), [item.impath for item in items], 0.0)


def _as_run(
    trainer: TrainerBase, tested: dict[str, Any] | None, trained_in: Path | None, config_name: str, seconds: float
) -> SimpleNamespace:
    """What `trainers.life.result` asks of a run."""
    from vlm.loading.load import load

    cfg = trainer.cfg
    clip = load(cfg.MODEL.BACKBONE.NAME, image_size=cfg.MODEL.BACKBONE.IMAGE_SIZE)
    trained = list(_trained(trainer))
    model = SimpleNamespace(clip=clip, parameters=lambda: iter(trained), state_dict=lambda: trained)
    return SimpleNamespace(
        cfg=cfg,
        section="",
        dm=trainer.dm,
        model=model,
        output_dir=cfg.OUTPUT_DIR,
        device=trainer.device,
        trains=tested is None,
        chooses=False,
        tested=tested,
        step_seconds=[],
        train_seconds=lambda: seconds,
        starts=1,
        max_epoch=trainer.max_epoch,
        precision=SimpleNamespace(name=PRECISION, overflows=0),
        config_name=config_name,
        fingerprint=fingerprint.of_settings(cfg, (tested or {}).get("sha256", ""), trained_in),
    )


def _trained(trainer: TrainerBase) -> Iterator[Tensor]:
    for name in trainer.get_model_names():
        yield from (p for p in trainer._models[name].parameters() if p.requires_grad)


def epoch_to_load(model_dir: str, epoch: int | None) -> int | None:
    """The epoch asked for; else None, which is the best, where a run kept one; else its last."""
    folders = [pointer.parent for pointer in Path(model_dir).glob(f"*/{POINTER}")] if model_dir else []
    if epoch is not None or not folders or (folders[0] / BEST).is_file():
        return epoch
    return int(pointed_file(folders[0]).rpartition("-")[2])


def weights_digest(model_dir: Path, epoch: int | None) -> str:
    """SHA-256 of the checkpoints that would be loaded, all models' of the run; "" where there are none."""
    found, wanted = hashlib.sha256(), epoch_to_load(str(model_dir), epoch)
    files = sorted(model_dir.glob(f"*/{BEST if wanted is None else f'model.pth.tar-{wanted}'}"))
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest() if files else ""
