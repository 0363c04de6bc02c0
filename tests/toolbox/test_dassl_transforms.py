"""All 18 transforms make, image by image, what stock Dassl makes of the same seed."""

import json

import pytest
import torch
from PIL import Image

import toolbox
from dassl.data.transforms.transforms import AVAI_CHOICES
from tests.toolbox.transform_prints import RECORD, outputs, prints
from toolbox.dassl.data.transforms import autoaugment, randaugment
from toolbox.dassl.data.transforms import transforms as bundled


def test_every_picture_is_that_of_stock_dassl():
    recorded, found = json.loads(RECORD.read_text()), prints()
    assert set(found) == set(recorded) == set(AVAI_CHOICES) and len(found) == 18
    for name, expected in recorded.items():
        if "numbers" in expected:
            assert found[name]["numbers"] == pytest.approx(expected["numbers"], abs=2e-5), name
        else:
            assert found[name] == expected, name


@pytest.mark.skipif("stock" not in toolbox.host().partition(";")[0], reason="stock Dassl is not in use")
@pytest.mark.parametrize("name", AVAI_CHOICES)
def test_to_the_bit_where_stock_is_at_hand(name):
    assert torch.equal(outputs(name), outputs(name, bundled.build_transform))


@pytest.mark.parametrize("name", ["randaugment", "randaugment2", "randaugment_fixmatch", "imagenet_policy"])
def test_pictures_differ_from_seed_to_seed(name):
    assert len({image.numpy().tobytes() for image in outputs(name)}) > 30


def test_every_operation_keeps_size_and_mode():
    image = Image.new("RGB", (20, 12), (90, 20, 200))
    for policy in (autoaugment.ImageNetPolicy, autoaugment.CIFAR10Policy, autoaugment.SVHNPolicy):
        assert len(policy().policies) == 25
    kinds = [randaugment.randaugment_list(), randaugment.randaugment_list2(), randaugment.fixmatch_list()]
    assert [len(kind) for kind in kinds] == [16, 15, 14]
    for operation, low, high in [choice for kind in kinds for choice in kind]:
        for strength in (low, high):
            changed = operation(image, strength)
            assert (changed.size, changed.mode) == (image.size, "RGB"), operation.__name__
