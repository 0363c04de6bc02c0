"""What is said where training leaves the finite numbers."""

import torch

from toolbox.errors import UserError
from trainers.life.run import Run


def broken(trainer: Run, batch: dict) -> UserError:
    """The error for a batch whose loss is not finite."""
    files = ", ".join(map(str, batch.get("impath", [])))
    return UserError(
        f"the loss is not finite at epoch {trainer.epoch + 1}, batch {trainer.batch_idx + 1} (files: {files}); the last "
        f"checkpoint in {trainer.output_dir} is kept; lower OPTIM.LR or use PREC fp32"
    )


def check(trainer: Run) -> None:
    """The step after the last loss of an epoch can spoil the parameters; then they must not become a checkpoint.

    Raises:
        UserError: parameters are not finite.
    """
    spoilt = [name for name, p in trainer.model.named_parameters() if not torch.isfinite(p).all()]
    if spoilt:
        raise UserError(
            f"parameters are not finite after epoch {trainer.epoch + 1} ({', '.join(spoilt)}); the last checkpoint in "
            f"{trainer.output_dir} is kept; lower OPTIM.LR or use PREC fp32"
        )
