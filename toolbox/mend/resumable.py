"""Saving, loading and resuming a trainer so that an interrupted run ends with the same weights, to the bit.

The bundled TrainerBase inherits this class; stock Dassl's gets the same methods from `toolbox.mend.mend_dassl`. A checkpoint
has Dassl's keys (state_dict, epoch, optimizer, scheduler, val_result) and two more: "random", the random states at the
end of the epoch, and "extra", whatever else the trainer must not forget.
"""

import re
from pathlib import Path
from typing import Any

from toolbox import random_states
from toolbox.checkpoints import BEST, POINTER, epoch_file, load_checkpoint, pointed_file, put_back, save_checkpoint
from toolbox.errors import UserError


class Resumable:
    """Checkpoint methods of a trainer that keeps its parts in `_models`, `_optims` and `_scheds`, by name."""

    _random_states: dict[str, Any] | None = None

    def extra_state(self) -> dict[str, Any]:
        """State beyond models, optimisers and schedules, as plain data (numbers, strings, tensors, lists, dicts).

        Subclasses add to it: `return {**super().extra_state(), "average": ...}`.
        """
        state = {}
        if hasattr(self, "best_result"):
            state["best_result"] = float(self.best_result)
        if getattr(self, "scaler", None) is not None:
            state["scaler"] = self.scaler.state_dict()
        return state

    def check_extra_state(self, state: dict[str, Any], directory: str) -> None:
        """Hook, before anything of a checkpoint in `directory` is put back: raise UserError if it is of another run."""

    def load_extra_state(self, state: dict[str, Any]) -> None:
        """Take back what `extra_state` returned; called when training resumes, after models and optimisers."""
        if "best_result" in state:
            self.best_result = state["best_result"]
        if "scaler" in state and getattr(self, "scaler", None) is not None:
            self.scaler.load_state_dict(state["scaler"])

    def save_model(
        self,
        epoch: int,
        directory: str,
        is_best: bool = False,
        val_result: float | None = None,
        model_name: str = "",
    ) -> None:
        """Write one checkpoint a registered model to `<directory>/<name>/`; `epoch` counts from 0."""
        shared = {
            "epoch": epoch + 1,
            "val_result": None if val_result is None else float(val_result),
            "random": random_states.capture(),
            "extra": self.extra_state(),
        }
        for name in self.get_model_names():
            own = {
                "state_dict": self._models[name].state_dict(),
                "optimizer": _state_of(self._optims[name]),
                "scheduler": _state_of(self._scheds[name]),
            }
            save_checkpoint({**own, **shared}, str(Path(directory) / name), is_best=is_best, model_name=model_name)

    def resume_model_if_exist(self, directory: str) -> int:
        """Continue from the newest checkpoint that all registered models have; returns the first epoch to run."""
        checkpoints = _newest_whole_set(Path(directory), self.get_model_names())
        if not checkpoints:
            print("No checkpoint found, train from scratch")
            return 0
        print(f"Found checkpoint at {directory} (will resume training)")
        for name, checkpoint in checkpoints.items():
            self.check_extra_state(checkpoint.get("extra", {}), directory)
            try:
                put_back(checkpoint, self._models[name], self._optims[name], self._scheds[name])
            except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise UserError(
                    f"the checkpoint in {Path(directory) / name} is not of this model and optimiser: {error}"
                ) from error
        self.load_extra_state(checkpoint.get("extra", {}))
        self._random_states = checkpoint.get("random")
        print(f"Resume after epoch {checkpoint['epoch']}")
        return checkpoint["epoch"]

    def load_model(self, directory: str, epoch: int | None = None) -> None:
        """Load the weights of every registered model: those after `epoch` epochs, or the best on validation data."""
        if not directory:
            print("load_model() is skipped: no folder was given")
            return
        file = BEST if epoch is None else epoch_file(epoch)
        for name in self.get_model_names():
            path = Path(directory) / name / file
            if not path.is_file():
                raise UserError(f"no model at {path} ({_there_is(path.parent)})")
            checkpoint = load_checkpoint(str(path))
            result = checkpoint.get("val_result")
            shown = "none" if result is None else f"{result:.1f}"
            print(f"Load {path} to {name} (epoch={checkpoint['epoch']}, val_result={shown})")
            self._models[name].load_state_dict(checkpoint["state_dict"])

    def train(self, start_epoch: int, max_epoch: int) -> None:
        """Run the epochs from `start_epoch` (which `before_train` may move when it resumes) to `max_epoch`."""
        self.start_epoch = start_epoch
        self.max_epoch = max_epoch
        self.before_train()
        if self._random_states is not None:
            # Last of all, because before_train of an uninterrupted run drew its random numbers before epoch 0.
            random_states.restore(self._random_states)
            self._random_states = None
        for epoch in range(self.start_epoch, self.max_epoch):
            self.epoch = epoch
            self.before_epoch()
            self.run_epoch()
            self.after_epoch()
        self.after_train()


def _state_of(part: Any) -> dict[str, Any] | None:
    return None if part is None else part.state_dict()


def _newest_whole_set(directory: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """The checkpoints to resume from, by model name; {} where there are none.

    They are those the pointers name, unless a crash fell between the files of two models: then the newest epoch that
    all models have.
    """
    folders = [directory / name for name in names]
    if not folders or not all((folder / POINTER).is_file() for folder in folders):
        return {}
    pointed = {pointed_file(folder) for folder in folders}
    common = set.intersection(*(set(_epochs(folder)) for folder in folders))
    candidates = [*pointed] if len(pointed) == 1 else []
    candidates += [epoch_file(epoch) for epoch in sorted(common, reverse=True)]
    for file in candidates:
        if not all((folder / file).is_file() for folder in folders):
            continue
        checkpoints = {name: load_checkpoint(str(directory / name / file)) for name in names}
        if len({checkpoint["epoch"] for checkpoint in checkpoints.values()}) == 1:
            return checkpoints
    return {}


def _epochs(folder: Path) -> list[int]:
    found = (re.fullmatch(r"model\.pth\.tar-(\d+)", file.name) for file in folder.glob("model.pth.tar-*"))
    return sorted(int(match[1]) for match in found if match)


def _there_is(folder: Path) -> str:
    if not folder.is_dir():
        return f"the folder {folder} does not exist"
    epochs = _epochs(folder)
    return f"epochs there: {', '.join(map(str, epochs))}" if epochs else "no checkpoint in that folder"
