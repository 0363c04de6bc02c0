"""Image backbones by name: torchvision's, and what plugins register."""

from .backbone import Backbone
from .build import BACKBONE_REGISTRY, build_backbone
from .torchvision_backbones import register_torchvision_backbones

register_torchvision_backbones()

__all__ = ["BACKBONE_REGISTRY", "Backbone", "build_backbone"]
