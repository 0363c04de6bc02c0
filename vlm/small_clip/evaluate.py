"""What the small CLIP knows of a phantom: `python -m vlm.small_clip.evaluate [--dataset phantom16] [--weights FILE]`.

Zero-shot accuracy with the classes' names (jargon), with plain descriptions, and a linear probe on the image features.
"""

from pathlib import Path

import numpy as np
import torch
from open_clip.tokenizer import SimpleTokenizer
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from datasets.phantom import PHANTOMS, TEMPLATES, Phantom
from toolbox.command import run_command
from toolbox.parser import Parser
from vlm.small_clip import WEIGHTS, state_dict
from vlm.small_clip.architecture import MEAN, STD, build


def load(path: Path = WEIGHTS) -> torch.nn.Module:
    """The small CLIP as an open_clip model in eval mode."""
    model = build()
    model.load_state_dict(state_dict(path))
    return model.eval()


@torch.no_grad()
def image_features(model: torch.nn.Module, images: np.ndarray) -> Tensor:
    """Normalised features (n, embed) of pictures (n, 64, 64, 3) uint8."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    x = (x - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    return torch.cat([F.normalize(model.encode_image(part), dim=1) for part in x.split(256)])


@torch.no_grad()
def text_features(model: torch.nn.Module, names: list[str]) -> Tensor:
    """Normalised features (len(names), embed) of `names` in the phantom's first template."""
    tokenizer = SimpleTokenizer()
    return F.normalize(model.encode_text(tokenizer([TEMPLATES[0].format(name) for name in names])), dim=1)


def phantom_part(phantom: Phantom, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures number `first` to `first + count` of each class, (classes * count, 64, 64, 3), and their labels."""
    n = len(phantom.classnames)
    images = [phantom.image(label, first + i) for label in range(n) for i in range(count)]
    return np.stack(images), np.repeat(np.arange(n), count)


def zero_shot(image: Tensor, text: Tensor, labels: np.ndarray) -> np.ndarray:
    """Accuracy (classes,) in percent of the nearest text feature, class by class."""
    hit = (image @ text.T).argmax(dim=1).numpy() == labels
    return np.array([100 * hit[labels == label].mean() for label in range(len(text))])


def halves(image: Tensor, text: Tensor, labels: np.ndarray) -> tuple[float, float, float]:
    """Accuracy in percent over all classes, and within the first and the second half of them (base, new)."""
    n = len(text) // 2
    base, new = labels < n, labels >= n
    return (
        zero_shot(image, text, labels).mean(),
        zero_shot(image[base], text[:n], labels[base]).mean(),
        zero_shot(image[new], text[n:], labels[new] - n).mean(),
    )


def main() -> None:
    parser = Parser(prog="python -m vlm.small_clip.evaluate", description=__doc__.split(":")[0])
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="weights to test")
    parser.add_argument("--dataset", choices=list(PHANTOMS), default="phantom", help="which phantom")
    args = parser.parse_args()
    model, phantom = load(args.weights), PHANTOMS[args.dataset]
    parts, names, words = phantom.parts, list(phantom.classnames), phantom.plain()
    images, labels = phantom_part(phantom, parts["train"] + parts["val"], parts["test"])
    features = image_features(model, images)
    jargon, plain = text_features(model, names), text_features(model, [words[name] for name in names])
    for title, text in (("names", jargon), ("plain words", plain)):
        print(f"zero-shot, {title}: all {{:.1f}}, base {{:.1f}}, new {{:.1f}}".format(*halves(features, text, labels)))
    for name, one, two in zip(
        names, zero_shot(features, jargon, labels), zero_shot(features, plain, labels), strict=True
    ):
        print(f"  {name:16s} {one:5.1f} {two:5.1f}")
    train_images, train_labels = phantom_part(phantom, 0, parts["train"])
    probe = LogisticRegression(C=100, max_iter=2000).fit(image_features(model, train_images).numpy(), train_labels)
    print(f"linear probe, {parts['train']} a class: {100 * probe.score(features.numpy(), labels):.1f}")


if __name__ == "__main__":
    run_command(main)
