"""Training that is stopped and goes on ends as if it had never been stopped, to the bit, on either host."""

import random

import pytest
import torch
from torch import nn

from dassl.engine import TRAINER_REGISTRY, build_trainer
from dassl.utils import set_random_seed
from toolbox.errors import UserError


class Stopped(Exception):
    """Stands for a power cut."""


def run(cfg, stop_at: tuple[int, int] | None = None) -> object:
    """Train from seed 1; with `stop_at` (epoch, batch) that batch is never finished."""
    set_random_seed(1)
    trainer = build_trainer(cfg)
    step = trainer.forward_backward

    def step_or_stop(batch):
        if stop_at == (trainer.epoch, trainer.batch_idx):
            raise Stopped
        return step(batch)

    trainer.forward_backward = step_or_stop
    trainer.train()
    return trainer


def weights(trainer) -> torch.Tensor:
    return nn.utils.parameters_to_vector(trainer.model.parameters())


@pytest.mark.parametrize(
    ("workers", "final_model", "stop_at"),
    [(0, "last_step", (1, 0)), (0, "best_val", (2, 1)), (2, "best_val", (3, 1))],
)
def test_a_stopped_run_ends_with_the_same_weights(make_cfg, tmp_path, workers, final_model, stop_at):
    options = ["DATALOADER.NUM_WORKERS", workers, "TRAIN.CHECKPOINT_FREQ", 1, "TEST.FINAL_MODEL", final_model]
    undisturbed = run(make_cfg(*options, "OUTPUT_DIR", str(tmp_path / "a")))
    stopped = make_cfg(*options, "OUTPUT_DIR", str(tmp_path / "b"))
    with pytest.raises(Stopped):
        run(stopped, stop_at)
    resumed = run(stopped)
    assert resumed.start_epoch == stop_at[0]
    assert torch.equal(weights(resumed), weights(undisturbed))
    assert resumed.best_result == undisturbed.best_result


def test_adaptive_optimisers_and_all_schedules_resume(make_cfg, tmp_path):
    for name, schedule in (("adamw", "multi_step"), ("radam", "single_step")):
        options = [
            "OPTIM.NAME",
            name,
            "OPTIM.LR_SCHEDULER",
            schedule,
            "OPTIM.STEPSIZE",
            [2],
            "TRAIN.CHECKPOINT_FREQ",
            1,
        ]
        undisturbed = run(make_cfg(*options, "OUTPUT_DIR", str(tmp_path / name / "a")))
        stopped = make_cfg(*options, "OUTPUT_DIR", str(tmp_path / name / "b"))
        with pytest.raises(Stopped):
            run(stopped, (2, 0))
        assert torch.equal(weights(run(stopped)), weights(undisturbed))


@TRAINER_REGISTRY.register()
class AveragingTrainer(TRAINER_REGISTRY.get("LinearTrainer")):
    """Keeps a random walk that a resumed run must not lose."""

    def before_train(self):
        super().before_train()
        if self.start_epoch == 0:
            self.walk = [random.random()]

    def after_epoch(self):
        self.walk.append(self.walk[-1] + random.random())
        super().after_epoch()

    def extra_state(self):
        return {**super().extra_state(), "walk": self.walk}

    def load_extra_state(self, state):
        super().load_extra_state(state)
        self.walk = state["walk"]


def test_what_a_trainer_adds_to_the_state_is_kept(make_cfg, tmp_path):
    options = ["TRAINER.NAME", "AveragingTrainer", "TRAIN.CHECKPOINT_FREQ", 1]
    undisturbed = run(make_cfg(*options, "OUTPUT_DIR", str(tmp_path / "a")))
    stopped = make_cfg(*options, "OUTPUT_DIR", str(tmp_path / "b"))
    with pytest.raises(Stopped):
        run(stopped, (2, 0))
    assert run(stopped).walk == undisturbed.walk


def test_a_crash_between_two_models_falls_back_to_the_last_whole_set(make_cfg, capsys):
    trainer = build_trainer(make_cfg())
    trainer.register_model("second", nn.Linear(1, 1))
    folder = trainer.output_dir
    trainer.save_model(0, folder)
    first = weights(trainer).clone()
    trainer._models.pop("second")
    trainer.model[2].weight.data.zero_()
    trainer.save_model(1, folder)  # epoch 2 of the first model alone
    trainer._models["second"] = nn.Linear(1, 1)
    assert trainer.resume_model_if_exist(folder) == 1
    assert torch.equal(weights(trainer), first)


def test_a_folder_without_checkpoints_means_from_scratch(make_cfg, tmp_path, capsys):
    trainer = build_trainer(make_cfg())
    (tmp_path / "run" / "model").mkdir(parents=True)
    assert trainer.resume_model_if_exist(str(tmp_path / "run")) == 0
    assert "train from scratch" in capsys.readouterr().out


def test_load_model_by_epoch_and_best(make_cfg, capsys):
    cfg = make_cfg("TRAIN.CHECKPOINT_FREQ", 2)
    trained = run(cfg)
    fresh = build_trainer(cfg)
    fresh.load_model(cfg.OUTPUT_DIR, epoch=4)
    assert torch.equal(weights(fresh), weights(trained))
    assert "epoch=4, val_result=none" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"no model at .*model\.pth\.tar-3 \(epochs there: 2, 4\)"):
        fresh.load_model(cfg.OUTPUT_DIR, epoch=3)
    with pytest.raises(UserError, match=r"model-best\.pth\.tar"):
        fresh.load_model(cfg.OUTPUT_DIR)


def test_checkpoints_are_plain_data(make_cfg):
    cfg = make_cfg()
    run(cfg)
    saved = torch.load(f"{cfg.OUTPUT_DIR}/model/model.pth.tar-4", weights_only=True)
    assert {"state_dict", "epoch", "optimizer", "scheduler", "val_result", "random", "extra"} == set(saved)
    assert saved["scheduler"]["successor"]["T_max"] == 4
