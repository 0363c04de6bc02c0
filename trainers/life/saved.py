"""A finished training run, opened again from its output folder alone: the model as trained, without its data set."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from yacs.config import CfgNode

from dassl.data.transforms import build_transform
from datasets.reading import Reading
from toolbox.errors import UserError, nearest
from toolbox.plain import parse_yaml
from toolbox.run_files import REMEDY, RESULT, read_result
from trainers.base import PromptTrainer
from trainers.life import foreign
from trainers.life.config import extend_cfg, methods
from vlm.prompts.prompted import PromptedCLIP


@dataclass
class SavedRun:
    """The model in evaluation mode, its class names, and what turns a PIL image into its input."""

    folder: Path
    trainer: PromptTrainer
    classnames: list[str]
    result: dict[str, Any]

    def __repr__(self) -> str:
        r = self.result
        shots = f"{r['shots']} shots" if r["shots"] > 0 else "all images"
        return (
            f"{r['method']} on {r['backbone']}, {r['dataset']} ({r['subset']}), {shots}, seed {r['seed']}: "
            f"accuracy {r['metrics']['accuracy']:.1f} %\n  {self.folder}\n  classes: {', '.join(self.classnames)}"
        )

    @property
    def model(self) -> PromptedCLIP:
        return self.trainer.model

    @cached_property
    def transform(self) -> Any:
        return build_transform(self.trainer.cfg, is_train=False)

    @property
    def reading(self) -> Reading:
        """How the run read its images, for `datasets.images.read_image`."""
        return Reading.of(self.trainer.cfg)

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """(batch, n_cls), float32 on the CPU, of preprocessed images (batch, 3, height, width)."""
        with self.trainer.precision.context():
            return self.model(images.to(self.trainer.device)).float().cpu()

    def probabilities(self, images: Tensor) -> Tensor:
        """(batch, n_cls) of preprocessed images (batch, 3, height, width)."""
        return self.logits(images).softmax(-1)


def open_run(folder: str | Path, classnames: list[str] | None = None, epoch: int | None = None) -> SavedRun:
    """Rebuild the model of a finished run and load what it trained.

    Args:
        folder: the run's output folder, with result.json.
        classnames: other classes than those it was trained on, for methods that can.

    Raises:
        UserError: the folder holds no finished run, its method is not here, or the checkpoint does not fit.
    """
    folder = Path(folder)
    result = read_result(folder)
    if result.get("precision") == foreign.PRECISION:  # its name may be that of a method here, which is another model
        raise UserError(
            f"{folder} was trained with {result['method']}, a trainer of Dassl's own kind: it can be tested "
            "(train.py --eval-only --model-dir), but its model is not opened for single images"
        )
    by_name = {method.__name__: method for method in methods()}
    if result["method"] not in by_name:
        raise UserError(
            f"{folder} was trained with {result['method']}, which is not here (a plugin? give --plugin); "
            f"{nearest(result['method'], by_name)}"
        )
    method = by_name[result["method"]]
    names = classnames or result["classnames"]
    dataset = SimpleNamespace(classnames=names, name=result["dataset"], templates=result.get("templates", []))
    trainer = method.__new__(method)
    trainer.named, trainer.trained_in = dataset, folder
    trainer.__init__(_config(result, folder))
    trainer.load_model(str(folder), epoch)
    trainer.set_model_mode("eval")
    return SavedRun(folder, trainer, names, result)


def _config(result: dict[str, Any], folder: Path) -> CfgNode:
    try:
        cfg = CfgNode(parse_yaml(result["config"]))
        cfg.defrost()
        cfg.INPUT.setdefault("EXIF", False)  # runs that do not have the key were trained without it
        extend_cfg(cfg)  # keys that came after the run was made
        cfg.VERBOSE = False
    except (AttributeError, KeyError, TypeError, ValueError, AssertionError) as error:
        raise UserError(f"{folder / RESULT}: its configuration cannot be read ({error}); {REMEDY}") from error
    cfg.freeze()
    return cfg
