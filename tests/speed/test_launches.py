"""Steps launch no more kernels than they should, and nothing in them makes the host wait for the device."""

import pytest
import torch
from torch.overrides import TorchFunctionMode

from datasets.facts import find
from speed.launches import SIZES, build, launches, random_rows, test_batch, tower, training_step
from trainers.life.config import methods
from trainers.life.precision import Precision
from vlm.backbone import from_open_clip_model, openai_model
from vlm.loading.random_clip import random_state

NAMES = list(find("kvasir").classnames)
FP32 = Precision("fp32", torch.device("cpu"))
IMAGES = torch.randn(2, 3, 32, 32)
test_batch.__test__ = False  # no test, though it is called so
TEXT = 340  # kernels of a text side, forward and backward, beside the image tower


@pytest.fixture(scope="module")
def clip():
    return from_open_clip_model("twelve narrow layers", openai_model(random_state(SIZES, 0)))


class FromHost(TorchFunctionMode):
    """Collects what copies numbers of the host to the device, for which it waits."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        lists = func is torch.Tensor.__getitem__ and any(isinstance(i, list) for i in (args[1], *_parts(args[1])))
        if func in (torch.tensor, torch.as_tensor, torch.from_numpy) or lists:
            self.found.append(func.__name__)
        return func(*args, **(kwargs or {}))


def _parts(index) -> tuple:
    return index if isinstance(index, tuple) else ()


def model_of(name: str, clip, folder):
    return build({m.__name__: m for m in methods()}[name], clip, NAMES, random_rows(NAMES, folder, width=16))


@pytest.mark.parametrize("name", ["CoOp", "KgCoOp", "CoCoOp", "CILMP"])
def test_few_launches_and_none_waits(clip, tmp_path, name):
    model = model_of(name, clip, tmp_path)
    step = launches(training_step(model, IMAGES, FP32))
    alone = launches(tower(model, IMAGES, FP32, train=True))
    assert step.total > alone.total > 100
    if name == "CILMP":
        assert step.total <= 1100
        assert launches(test_batch(model, IMAGES, FP32)).total <= 450
    else:
        assert step.total - alone.total <= TEXT + 10 * (name != "CoOp")
    assert step.reads == 0
    with FromHost() as copies:
        training_step(model, IMAGES, FP32)()
    assert copies.found == []


def test_reads_and_copies_are_seen():
    x = torch.randn(3)
    assert launches(lambda: x.sum().item()).reads == 1
    with FromHost() as copies:
        assert (torch.as_tensor([1.0]) + x[[0, 2]] + x[0]).shape == (2,)
    assert copies.found == ["as_tensor", "__getitem__"]


def test_views_and_allocations_are_no_launches():
    x = torch.randn(3, 4)
    assert launches(lambda: x.T.reshape(2, 6).add_(torch.empty(2, 6).zero_())).names.keys() >= {"add_", "zero_"}
    assert launches(lambda: x.view(4, 3).T[0]).total == 0
