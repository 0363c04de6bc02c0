"""How images are read belongs to a run: what it was told at training holds at test, in predict.py and in its result."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from yacs.config import CfgNode

from datasets.images import read_image
from tests.trainers.small_world import logits
from trainers.life.saved import _config, open_run

TOLD = {"INPUT__EXIF": False, "INPUT__ALLOW_TRUNCATED": True, "DATASET__WINDOW": "40 400"}


@pytest.fixture
def turned(world):
    """The first test image, lying on its side by its EXIF data."""
    path = world.root / "cells" / "test_0_0.png"
    before = path.read_bytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(path) as image:
        image.load()
    image.save(path, exif=exif)
    yield path
    path.write_bytes(before)


@pytest.mark.parametrize("told", [{}, TOLD])
def test_test_and_predict_see_the_same_pixels(world, turned, told):
    run = open_run(world.run("CoCoOp", f"reading-{len(told)}", **told))
    assert (run.reading.exif, run.reading.window, run.reading.allow_truncated) == (
        (False, "40 400", True) if told else (True, "", False)
    )
    transform = run.result["transform"]
    assert transform.endswith(", no EXIF orientation, window 40 400, truncated JPEGs allowed") == bool(told)
    images = torch.stack([run.transform(read_image(turned, reading=run.reading))])
    expected = torch.from_numpy(logits(run.folder).astype(np.float32)).softmax(-1)[0]
    paths = np.load(run.folder / "predictions.npz")["paths"].tolist()
    assert paths[0].endswith(turned.name)
    torch.testing.assert_close(run.probabilities(images)[0], expected, atol=1e-5, rtol=0)
    other = torch.stack([run.transform(read_image(turned, reading=type(run.reading)(exif=not run.reading.exif)))])
    assert not torch.equal(images, other)


def test_runs_from_before_the_key_are_read_without_exif(world):
    folder = world.run("ZeroshotCLIP", "reading-old")
    result = json.loads((folder / "result.json").read_text())
    config = CfgNode.load_cfg(result["config"])
    assert config.INPUT.EXIF is True
    del config.INPUT["EXIF"]
    assert _config({**result, "config": config.dump()}, Path("run")).INPUT.EXIF is False
