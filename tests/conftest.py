"""What all tests share: one thread each (they run in parallel), and a tiny CLIP."""

import pytest
import torch

import toolbox  # noqa: F401  mends torchvision before anything imports it
from vlm.backbone import Backbone, from_open_clip_model, openai_model
from vlm.loading.random_clip import random_state

torch.set_num_threads(1)

SIZES = {
    "embed_dim": 64,
    "image_resolution": 32,
    "vision_layers": 3,
    "vision_width": 64,
    "vision_patch_size": 8,
    "context_length": 77,
    "vocab_size": 49408,
    "transformer_width": 64,
    "transformer_layers": 3,
}


@pytest.fixture(scope="session")
def tiny_state() -> dict[str, torch.Tensor]:
    """OpenAI-format weights of a random CLIP with three layers a tower."""
    return random_state(SIZES, seed=5)


@pytest.fixture(scope="session")
def tiny_clip(tiny_state) -> Backbone:
    """The backbone over `tiny_state`; do not change it."""
    return from_open_clip_model("tiny", openai_model(tiny_state))


@pytest.fixture(scope="session")
def world(tmp_path_factory, tiny_state):
    """One small world a worker, shared: runs differ by their output folders."""
    from tests.trainers.small_world import SmallWorld

    return SmallWorld(tmp_path_factory.mktemp("world"), tiny_state)
