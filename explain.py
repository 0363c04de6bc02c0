"""Heat maps of what a trained model looked at: `python explain.py --run output/.../seed1 IMAGE ...`.

Beside each image a PNG is written: the image, the map over it for the predicted class (or --class NAME), and the
probabilities. The map says which patches spoke for the class; it does not say that the class is right.
"""

import argparse
import os
import sys
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image

import toolbox  # noqa: F401  finds or supplies dassl and clip
from toolbox.command import run_command
from toolbox.errors import UserError, nearest
from toolbox.files import atomic_path

matplotlib.use("Agg")


def picture(image: Image.Image, heat: np.ndarray, title: str, path: Path) -> None:
    """Write image and image under `heat` (rows, columns; 0..1) side by side as PNG."""
    from matplotlib import pyplot as plt

    smooth = Image.fromarray(np.uint8(255 * heat)).resize(image.size, Image.BICUBIC)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4.4), constrained_layout=True)
    for axis in (left, right):
        axis.imshow(image)
        axis.axis("off")
    right.imshow(np.asarray(smooth) / 255, cmap="inferno", alpha=0.5, vmin=0, vmax=1)
    figure.suptitle(title, fontsize=10)
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=110)
    plt.close(figure)


def visible_part(image: Image.Image, size: int) -> Image.Image:
    """What the model sees of `image`: shorter side scaled to `size`, then the centre; at eight times that resolution."""
    scale = 8 * size / min(image.size)
    image = image.resize([round(side * scale) for side in image.size], Image.BICUBIC)
    left, top = ((side - 8 * size) // 2 for side in image.size)
    return image.crop((left, top, left + 8 * size, top + 8 * size))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, help="output folder of a finished training run")
    parser.add_argument("--class", dest="classname", help="explain this class instead of the predicted one")
    parser.add_argument("--out", type=Path, help="folder for the pictures (beside each image by default)")
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE_OR_FOLDER")
    args = parser.parse_args()
    import trainers  # noqa: F401  registers the methods
    from datasets.images import read_image
    from datasets.walk import images_in
    from trainers.saved import open_run
    from vlm.explain import relevance

    run = open_run(args.run)
    label = None
    if args.classname:
        if args.classname not in run.classnames:
            raise UserError(f"no class {args.classname!r} in this run; {nearest(args.classname, run.classnames)}")
        label = torch.tensor([run.classnames.index(args.classname)], device=run.trainer.device)
    paths, left_out = images_in(args.images)
    if left_out:
        print(f"left out of the folders: {left_out}", file=sys.stderr)
    for path in paths:
        image = read_image(path)
        logits, heat = relevance(run.model, run.transform(image)[None].to(run.trainer.device), label)
        probabilities = logits.float().softmax(-1)[0]
        shown = int(label) if label is not None else int(probabilities.argmax())
        title = (
            f"{run.classnames[shown]}: {100 * probabilities[shown]:.1f} %  ({run.result['method']}, research use only)"
        )
        target = (args.out or path.parent) / f"{path.stem}_{run.classnames[shown].replace(' ', '_')}.png"
        if not os.access(args.out.parent if args.out else path.parent, os.W_OK):
            raise UserError(f"{target.parent} cannot be written; give --out FOLDER")
        picture(visible_part(image, run.model.clip.image_size), heat[0].cpu().numpy(), title, target)
        print(f"{path}: {title} -> {target}")


if __name__ == "__main__":
    run_command(main)
