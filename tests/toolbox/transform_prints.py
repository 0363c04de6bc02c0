"""What each transform of Dassl makes of one picture for 100 seeds, as checksums.

`DASSL_HOME=... python -m tests.toolbox.transform_prints` records them from stock Dassl.
"""

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import toolbox
from dassl.config import get_cfg_default
from dassl.data.transforms import build_transform
from dassl.data.transforms.transforms import AVAI_CHOICES

RECORD = Path(__file__).with_name("transform_prints.json")
SEEDS = range(100)
SIZE = 24


def picture() -> Image.Image:
    """A smooth colourful picture of 40 x 32 pixels, without a random number."""
    y, x = np.mgrid[:32, :40]
    channels = [128 + 120 * np.sin(x / 5 + k) * np.cos(y / (4 + k)) for k in range(3)]
    return Image.fromarray(np.stack(channels, axis=-1).round().astype(np.uint8))


def outputs(name: str, build: Callable = build_transform) -> torch.Tensor:
    """Results of the transform, as `build` makes it, for all seeds, (100, 3, SIZE, SIZE)."""
    cfg = get_cfg_default()
    cfg.merge_from_list(["INPUT.SIZE", (SIZE, SIZE), "INPUT.CROP_PADDING", 4, "INPUT.CUTOUT_LEN", 8, "INPUT.GB_K", 5])
    cfg.merge_from_list(["INPUT.PIXEL_MEAN", [0.5] * 3, "INPUT.PIXEL_STD", [0.5] * 3])
    transform = build(cfg, is_train=name != "center_crop", choices=[name])
    results = []
    for seed in SEEDS:
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        results.append(transform(picture()))
    return torch.stack(results)


def prints() -> dict[str, dict[str, object]]:
    """For each transform its checksum, or, where values are no whole pixels, some numbers."""
    found = {}
    for name in AVAI_CHOICES:
        values = outputs(name)
        if name in ("gaussian_noise", "instance_norm"):
            some = [values.mean(), values.std(), values[0, 0, 0, 0], values[-1, 2, 7, 5]]
            found[name] = {"numbers": [round(value.item(), 5) for value in some]}
            continue
        pixels = values * 0.5 + 0.5 if name == "normalize" else values
        found[name] = {"sha256": hashlib.sha256((pixels * 255).round().byte().numpy().tobytes()).hexdigest()}
    return found


if __name__ == "__main__":
    assert "stock" in toolbox.host(), "set DASSL_HOME: the recording is stock Dassl's"
    RECORD.write_text(json.dumps(prints(), indent=1) + "\n")
