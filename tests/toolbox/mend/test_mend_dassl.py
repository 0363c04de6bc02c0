"""What the other tests do not show of stock Dassl on current versions; they need it in DASSL_HOME."""

import importlib
import subprocess
import sys
import warnings

import pytest
import torch
from PIL import Image

import dassl
from dassl.config import get_cfg_default
from dassl.optim import build_optimizer
from toolbox.errors import UserError
from toolbox.mend import mend_dassl

pytestmark = pytest.mark.skipif("bundled" in dassl.__version__, reason="needs stock Dassl: set DASSL_HOME")


@pytest.mark.skipif(dassl.__version__.startswith("0.5"), reason="0.5 has no wilds")
def test_rarely_used_packages_are_missed_only_when_called():
    camelyon = importlib.import_module("dassl.data.datasets.dg.wilds.wilds_base")
    if type(camelyon.wilds_get_dataset).__name__ == "partial":
        with pytest.raises(UserError, match="pip install wilds"):
            camelyon.wilds_get_dataset(dataset="camelyon17", root_dir=".", download=True)


WITHOUT = """
import importlib.util, sys
GONE, find_spec = ("pandas", "wilds", "gdown"), importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in GONE else find_spec(name, *rest)
import toolbox, dassl.engine
print(toolbox.host(), [name for name in GONE if name in sys.modules])
"""


def test_stand_ins_are_gone_once_dassl_is_there():
    ended = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert "stock" in ended.stdout and ended.stdout.strip().endswith("[]"), ended.stderr


@pytest.mark.skipif(not dassl.__version__.startswith("0.5"), reason="needs Dassl 0.5.0, of KgCoOp's repository")
def test_what_the_older_one_lacks_is_filled_in():
    cfg = get_cfg_default()
    cfg.merge_from_list(["INPUT.RRCROP_SCALE", (0.9, 1.0), "INPUT.TRANSFORMS", ("random_resized_crop",)])
    from dassl.data.transforms import build_transform

    assert "scale=(0.9, 1.0)" in repr(build_transform(cfg))
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in (0.1, 0.2)]
    optimizer = build_optimizer(torch.nn.Linear(1, 1), cfg.OPTIM, groups)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.2]


def test_mending_twice_changes_nothing():
    before = importlib.import_module("dassl.evaluation.evaluator").confusion_matrix
    mend_dassl.mend()
    assert importlib.import_module("dassl.evaluation.evaluator").confusion_matrix is before


@pytest.mark.parametrize("policy", ["ImageNetPolicy", "CIFAR10Policy", "SVHNPolicy"])
def test_policies_do_without_the_old_numpy_name(policy):
    module = importlib.import_module("dassl.data.transforms.autoaugment")
    image = Image.effect_noise((16, 16), 90).convert("RGB")
    for _ in range(30):
        assert getattr(module, policy)()(image).size == (16, 16)


def test_radam_is_the_same_as_dassls_own():
    old = importlib.import_module("dassl.optim.radam").RAdam
    cfg = get_cfg_default().OPTIM
    cfg.update(NAME="radam", LR=0.1, WEIGHT_DECAY=0.1)
    torch.manual_seed(0)
    first = torch.nn.Parameter(torch.randn(5))
    second = torch.nn.Parameter(first.detach().clone())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimizers = old([first], lr=0.1, weight_decay=0.1), build_optimizer([second], cfg)
        for _ in range(12):
            first.grad = torch.randn(5)
            second.grad = first.grad.clone()
            for optimizer in optimizers:
                optimizer.step()
    assert torch.allclose(first, second, atol=1e-5)


def test_no_bars_without_a_terminal(make_cfg, capsys):
    importlib.import_module("dassl.engine").build_trainer(make_cfg()).test()
    assert "it/s" not in capsys.readouterr().err
