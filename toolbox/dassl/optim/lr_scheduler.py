"""Learning-rate schedules by name, with an optional warm-up; they are stepped once an epoch."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, StepLR
from yacs.config import CfgNode

from toolbox.errors import UserError, nearest
from toolbox.mend.warmup import ConstantWarmupScheduler, LinearWarmupScheduler

AVAI_SCHEDS = ["single_step", "multi_step", "cosine"]
_WARMUPS = {
    "constant": (ConstantWarmupScheduler, "WARMUP_CONS_LR"),
    "linear": (LinearWarmupScheduler, "WARMUP_MIN_LR"),
}

__all__ = ["AVAI_SCHEDS", "ConstantWarmupScheduler", "LinearWarmupScheduler", "build_lr_scheduler"]


def build_lr_scheduler(optimizer: Optimizer, optim_cfg: CfgNode) -> LRScheduler:
    """The schedule `optim_cfg.LR_SCHEDULER`, after OPTIM.WARMUP_EPOCH epochs of warm-up when that is above 0."""
    scheduler = _schedule(optimizer, optim_cfg)
    if optim_cfg.WARMUP_EPOCH <= 0:
        return scheduler
    if optim_cfg.WARMUP_TYPE not in _WARMUPS:
        name = optim_cfg.WARMUP_TYPE
        raise UserError(f'OPTIM.WARMUP_TYPE: unknown warm-up "{name}"; {nearest(name, _WARMUPS)}')
    if not optim_cfg.WARMUP_RECOUNT:
        scheduler.last_epoch = optim_cfg.WARMUP_EPOCH
    kind, rate_key = _WARMUPS[optim_cfg.WARMUP_TYPE]
    return kind(optimizer, scheduler, optim_cfg.WARMUP_EPOCH, optim_cfg[rate_key])


def _schedule(optimizer: Optimizer, cfg: CfgNode) -> LRScheduler:
    name, steps = cfg.LR_SCHEDULER, cfg.STEPSIZE
    if name == "cosine":
        return CosineAnnealingLR(optimizer, float(cfg.MAX_EPOCH))
    if name == "single_step":
        step = steps[-1] if isinstance(steps, list | tuple) else steps
        if not isinstance(step, int):
            raise UserError(f"OPTIM.STEPSIZE: single_step needs a whole number of epochs, not {step!r}")
        return StepLR(optimizer, step_size=step if step > 0 else cfg.MAX_EPOCH, gamma=cfg.GAMMA)
    if name == "multi_step":
        if not isinstance(steps, list | tuple):
            raise UserError(f"OPTIM.STEPSIZE: multi_step needs a list of epochs, not {steps!r}")
        return MultiStepLR(optimizer, milestones=steps, gamma=cfg.GAMMA)
    raise UserError(f'OPTIM.LR_SCHEDULER: unknown schedule "{name}"; {nearest(name, AVAI_SCHEDS)}')
