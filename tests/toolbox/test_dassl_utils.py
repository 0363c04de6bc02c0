import json
import sys

import pytest
import torch
from torch import nn

from dassl import utils
from toolbox.errors import UserError


def test_a_registry_hands_out_what_was_entered():
    registry = utils.Registry("SHAPE")

    @registry.register()
    class Circle:
        pass

    assert registry.get("Circle") is Circle
    assert registry.registered_names() == ["Circle"]
    with pytest.raises(KeyError):
        registry.register(Circle)
    registry.register(Circle, force=True)
    with pytest.raises((UserError, KeyError), match="Circl"):
        registry.get("Circl")


def test_everything_printed_is_in_the_log(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    utils.setup_logger(str(tmp_path))
    print("epoch [1/5]")
    assert (tmp_path / "log.txt").read_text() == "epoch [1/5]\n"  # at once: a killed run keeps its log
    assert sys.stdout.isatty() is False
    logger = sys.stdout
    logger.close()
    print("still on the console")
    assert capsys.readouterr().out == "epoch [1/5]\nstill on the console\n"
    monkeypatch.undo()
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    utils.setup_logger(str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2  # the first log is kept


def test_meters():
    meter = utils.MetricMeter()
    meter.update({"loss": torch.tensor(1.0), "acc": 50})
    meter.update({"loss": 2.0, "acc": 100})
    meter.update(None)
    assert str(meter) == "loss 2.0000 (1.5000) acc 100.0000 (75.0000)"
    with pytest.raises(TypeError):
        meter.update([1.0])
    smooth = utils.AverageMeter(ema=True)
    smooth.update(10)
    assert smooth.avg == pytest.approx(1.0)


def test_json_and_folders(tmp_path):
    file = tmp_path / "a" / "b.json"
    utils.write_json({"x": [1, 2]}, str(file))
    assert json.loads(file.read_text()) == utils.read_json(str(file)) == {"x": [1, 2]}
    (tmp_path / ".hidden").touch()
    assert utils.listdir_nohidden(str(tmp_path), sort=True) == ["a"]
    with pytest.warns(UserWarning):
        assert utils.check_isfile(str(tmp_path / "none")) is False


def test_pretrained_weights_that_fit_are_loaded(tmp_path, capsys):
    donor, model = nn.Linear(3, 2), nn.Linear(3, 2)
    torch.save({"state_dict": {"module.weight": donor.weight.data, "bias": torch.zeros(9)}}, tmp_path / "w")
    before = model.bias.clone()
    utils.load_pretrained_weights(model, str(tmp_path / "w"))
    assert torch.equal(model.weight, donor.weight)
    assert torch.equal(model.bias, before)
    assert "bias" in capsys.readouterr().out


def test_counting_and_freezing():
    model = nn.ModuleDict({"a": nn.Linear(3, 2), "b": nn.Linear(2, 2)})
    assert utils.count_num_param(model) == 14
    assert utils.count_num_param(params=model["a"].parameters()) == 8
    utils.open_specified_layers(model, "b")
    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True]
    assert (model["a"].training, model["b"].training) == (False, True)
    utils.open_all_layers(model)
    assert all(p.requires_grad for p in model.parameters())


def test_the_environment_is_described():
    assert torch.__version__ in utils.collect_env_info()
    assert "Pillow" in utils.collect_env_info()


def test_seeds():
    utils.set_random_seed(5)
    first = torch.rand(2)
    utils.set_random_seed(5)
    assert torch.equal(torch.rand(2), first)
