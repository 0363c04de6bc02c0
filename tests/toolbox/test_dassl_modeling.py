import pytest
import torch

from dassl.engine import SimpleNet
from dassl.modeling import BACKBONE_REGISTRY, build_backbone, build_head
from toolbox.errors import UserError


@pytest.mark.parametrize(("name", "width"), [("resnet18", 512), ("efficientnet_b0", 1280)])
def test_backbones_give_features(name, width):
    backbone = build_backbone(name, verbose=False, pretrained=False).eval()
    assert backbone.out_features == width
    assert backbone(torch.rand(2, 3, 32, 32)).shape == (2, width)


def test_the_default_network_has_backbone_head_and_classifier(make_cfg):
    options = ["MODEL.BACKBONE.NAME", "resnet18", "MODEL.BACKBONE.PRETRAINED", False]
    cfg = make_cfg(*options, "MODEL.HEAD.NAME", "mlp", "MODEL.HEAD.HIDDEN_LAYERS", [16, 8])
    net = SimpleNet(cfg, cfg.MODEL, num_classes=5).eval()
    logits, features = net(torch.rand(2, 3, 32, 32), return_feature=True)
    assert (logits.shape, features.shape, net.fdim) == ((2, 5), (2, 8), 8)


def test_names_are_checked():
    assert "resnet50" in BACKBONE_REGISTRY.registered_names()
    with pytest.raises(UserError, match="resnet"):
        build_backbone("resnet19")
    with pytest.raises(UserError, match="mlp"):
        build_head("mpl")
