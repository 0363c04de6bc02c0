import torch
from PIL import Image
from torchvision.transforms import v2

from toolbox.mend.mend_torchvision import mend_torchvision


def test_the_two_operators_are_declared():
    for name in ("nms", "qnms"):
        schema = str(getattr(torch.ops.torchvision, name).default._schema)
        assert schema == f"torchvision::{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def test_a_second_call_has_nothing_to_do():
    assert mend_torchvision() is False


def test_transforms_work():
    image = v2.functional.to_image(Image.new("RGB", (8, 6)))
    assert v2.Resize((4, 4))(image).shape == (3, 4, 4)
