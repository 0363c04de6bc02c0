"""Image size and normalisation come with the backbone: filled in where nobody said them, refused where they are others."""

import numpy as np
from yacs.config import CfgNode

import toolbox  # noqa: F401  finds or supplies dassl
import vlm
from dassl.config import get_cfg_default
from toolbox.errors import UserError


def check_preprocessing(cfg: CfgNode, clip: vlm.Backbone) -> None:
    """Refuse images prepared for another backbone: it would cost accuracy without a word.

    Raises:
        UserError: image size or normalisation in the configuration differ from the backbone's.
    """
    size, ours = tuple(cfg.INPUT.SIZE), (clip.image_size, clip.image_size)
    if size != ours:
        raise UserError(
            f"INPUT.SIZE is {size} but backbone {clip.name} takes {ours}; remove INPUT.SIZE from the config"
        )
    if "normalize" not in cfg.INPUT.TRANSFORMS:
        return
    for key, ours in (("PIXEL_MEAN", clip.mean), ("PIXEL_STD", clip.std)):
        if not np.allclose(cfg.INPUT[key], ours, atol=1e-3):
            raise UserError(
                f"INPUT.{key} is {list(cfg.INPUT[key])} but backbone {clip.name} was trained with {list(ours)}; "
                f"remove INPUT.{key} from the config"
            )


def set_preprocessing(cfg: CfgNode, clip: vlm.Backbone) -> None:
    """Put the backbone's image size, mean and standard deviation into a configuration that is not frozen."""
    cfg.INPUT.SIZE = (clip.image_size, clip.image_size)
    cfg.INPUT.PIXEL_MEAN, cfg.INPUT.PIXEL_STD = list(clip.mean), list(clip.std)


def with_preprocessing(cfg: CfgNode, clip: vlm.Backbone) -> CfgNode:
    """`cfg` with the backbone's values for those of the three keys that are still Dassl's defaults.

    For a `train.py` other than ours, which knows nothing of backbones; ours has set them, and checked those it was given.
    """
    filled, defaults = cfg.clone(), get_cfg_default()
    filled.defrost()
    set_preprocessing(filled, clip)
    for key in ("SIZE", "PIXEL_MEAN", "PIXEL_STD"):
        if list(cfg.INPUT[key]) != list(defaults.INPUT[key]):
            filled.INPUT[key] = cfg.INPUT[key]
    filled.freeze()
    return filled
