"""Memory is counted without a GPU, from shapes alone, as it is with contents."""

import pytest
import torch

from datasets.facts import find
from speed.launches import SIZES, build, random_rows, training_step
from speed.memory import Peak, held
from trainers.life.config import methods
from trainers.life.precision import Precision
from vlm.backbone import from_open_clip_model, openai_model
from vlm.loading.random_clip import random_state

FP32 = Precision("fp32", torch.device("cpu"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    clip = from_open_clip_model("twelve narrow layers", openai_model(random_state(SIZES, 0)))
    names = list(find("kvasir").classnames)
    rows = random_rows(names, str(tmp_path_factory.mktemp("rows")), width=16)
    return build({m.__name__: m for m in methods()}["CILMP"], clip, names, rows)


def test_shapes_alone_say_the_same(model):
    step = training_step(model, torch.randn(2, 3, 32, 32), FP32)
    with Peak() as real:
        step()
    model.zero_grad(set_to_none=True)
    weights = sum(p.nbytes for part in (model, model.clip.image, model.clip.text) for p in part.parameters())
    assert held(model, 2, 32, FP32) - weights == pytest.approx(real.bytes, rel=0.05)
    assert all(p.grad is None for p in model.parameters())


def test_images_add_alike(model):
    two, four, six = (held(model, batch, 32, FP32) for batch in (2, 4, 6))
    assert six - four == pytest.approx(four - two, rel=0.1) and four > two


def test_views_hold_nothing_and_what_is_gone_is_not_counted():
    x = torch.zeros(1000)
    with Peak() as found:
        for _ in range(8):
            y = x.view(10, 100).T + 1
        assert found.count() == 4000
        del y
    assert found.count() == 0 and 4000 <= found.bytes <= 8000
