"""Log lines, hooks and errors of the life cycle; other people's scripts parse the lines."""

import re

import pytest
import torch

from dassl.engine import TRAINER_REGISTRY, TrainerXU, build_trainer
from toolbox.errors import UserError

NUMBER = r"\d+\.\d+"
LINE = re.compile(
    rf"epoch \[2/4\] batch \[1/2\] time {NUMBER} \({NUMBER}\) data {NUMBER} \({NUMBER}\) "
    rf"loss {NUMBER} \({NUMBER}\) acc {NUMBER} \({NUMBER}\) lr 1\.0000e-02 eta \d:\d\d:\d\d"
)
RESULT = re.compile(
    r"=> result\n\* total: 10\n\* correct: \d+\n\* accuracy: \d+\.\d%\n\* error: \d+\.\d%\n\* macro_f1: \d+\.\d%\n"
    r"(.*\n)*Elapsed: 0:00:\d\d\n$"
)


def test_the_lines_of_the_log(make_cfg, capsys):
    build_trainer(make_cfg()).train()
    out = capsys.readouterr().out
    assert LINE.search(out)
    assert RESULT.search(out)
    assert "Deploy the last-epoch model\nEvaluate on the *test* set\n" in out


def test_few_batches_are_all_printed_and_many_are_not(make_cfg, capsys):
    build_trainer(make_cfg("TRAIN.PRINT_FREQ", 10)).train()
    assert capsys.readouterr().out.count("epoch [1/4]") == 2  # fewer batches than the frequency
    build_trainer(make_cfg("TRAIN.PRINT_FREQ", 2, "OPTIM.MAX_EPOCH", 9)).train()
    assert capsys.readouterr().out.count("epoch [9/9]") == 1


def test_best_val_keeps_the_best_and_tests_it(make_cfg, capsys):
    cfg = make_cfg("TEST.FINAL_MODEL", "best_val")
    trainer = build_trainer(cfg)
    trainer.train()
    saved = torch.load(f"{cfg.OUTPUT_DIR}/model/model-best.pth.tar", weights_only=True)
    assert saved["val_result"] == trainer.best_result
    out = capsys.readouterr().out
    assert out.count("Evaluate on the *val* set") == 4
    assert f"(epoch={saved['epoch']}, val_result={trainer.best_result:.1f})" in out


def test_hooks_come_in_order(make_cfg):
    trainer, calls = build_trainer(make_cfg("OPTIM.MAX_EPOCH", 2)), []

    def noting(name: str):
        real = getattr(trainer, name)

        def hook(*args, **kwargs):
            calls.append(name)
            return real(*args, **kwargs)

        return hook

    for name in ("before_train", "before_epoch", "run_epoch", "after_epoch", "after_train", "test"):
        setattr(trainer, name, noting(name))
    trainer.train()
    epoch = ["before_epoch", "run_epoch", "after_epoch"]
    assert calls == ["before_train", *epoch, *epoch, "after_train", "test"]


def test_a_loss_that_is_no_number_stops_training(make_cfg):
    trainer = build_trainer(make_cfg())
    with pytest.raises(FloatingPointError):
        trainer.model_backward(torch.tensor(float("nan"), requires_grad=True))


@TRAINER_REGISTRY.register()
class PairTrainer(TrainerXU):
    """Counts the batches it is given."""

    build_model = TRAINER_REGISTRY.get("LinearTrainer").build_model

    def forward_backward(self, batch_x, batch_u):
        images, labels, others = self.parse_batch_train(batch_x, batch_u)
        assert images.shape == others.shape == (4, 3, 12, 12)
        assert labels.shape == (4,)
        loss = self.model(images).mean() + self.model(others).mean()
        self.model_backward_and_update(loss)
        return {"loss": loss.item()}


@pytest.mark.parametrize(("rule", "batches"), [("train_x", 5), ("train_u", 2), ("smaller_one", 2)])
def test_labelled_and_unlabelled_batches_side_by_side(make_cfg, capsys, rule, batches):
    options = ["DATALOADER.TRAIN_X.BATCH_SIZE", 4, "TRAIN.COUNT_ITER", rule, "OPTIM.MAX_EPOCH", 1]
    build_trainer(make_cfg("TRAINER.NAME", "PairTrainer", *options)).train()
    assert capsys.readouterr().out.count("epoch [1/1]") == batches


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("TRAINER.NAME", "LinearTrainr", "unknown trainer.*nearest: LinearTrainer"),
        ("DATASET.NAME", "Square", "unknown dataset.*nearest: Squares"),
        ("TEST.EVALUATOR", "Clasification", "unknown evaluator.*Classification"),
        ("OPTIM.NAME", "sdg", "sgd"),
        ("OPTIM.LR_SCHEDULER", "cosin", "cosine"),
        ("DATALOADER.TRAIN_X.SAMPLER", "RandomSample", "RandomSampl"),
        ("INPUT.TRANSFORMS", ("random_flp",), "random_flip"),
    ],
)
def test_a_wrong_name_is_one_clear_line(make_cfg, key, value, message):
    with pytest.raises(UserError, match=message):
        build_trainer(make_cfg(key, value))
