"""The frozen CLIP with prompts put in. Imports neither trainers nor dassl."""

import toolbox  # noqa: F401  mends torchvision, which open_clip imports
from vlm.backbone import Backbone
from vlm.loading.load import load

__all__ = ["Backbone", "load"]
