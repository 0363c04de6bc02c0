"""Hand-written prompts: which templates a method takes, and the text features they give."""

from collections.abc import Sequence

from torch import Tensor

from toolbox.errors import UserError
from vlm.backbone import Backbone
from vlm.prompts.templates import IMAGENET_TEMPLATES
from vlm.towers.block import unit


def choose_templates(choice: str, of_dataset: Sequence[str] | None, key: str) -> list[str]:
    """Templates by what the configuration says.

    Args:
        choice: `first` or `all` of the data set's own, `imagenet` (the 60 of PromptSRC), or templates separated by ";",
            each with one {} for the class name.
        of_dataset: the data set's templates, the default one first.
        key: the configuration key, for the error.

    Raises:
        UserError: a template has no {}, or more than one.
    """
    own = list(of_dataset or ["a photo of a {}."])
    known = {"first": own[:1], "all": own, "imagenet": list(IMAGENET_TEMPLATES)}
    if choice in known:
        return known[choice]
    templates = [template.strip() for template in choice.split(";")]
    for template in templates:
        if template.count("{}") != 1:
            raise UserError(
                f"{key}: {template!r} must have exactly one {{}} for the class name; or choose {', '.join(known)}"
            )
    return templates


def class_features(
    clip: Backbone,
    classnames: Sequence[str],
    templates: Sequence[str],
    raw_mean: bool = False,
    normalised: bool = True,
) -> Tensor:
    """Normalised mean over `templates` of each class's text feature, (n_cls, embed_dim).

    Args:
        raw_mean: take the mean of features of any length (as PromptSRC does) instead of normalised ones.
        normalised: False leaves the mean as long as it is; with `raw_mean` that is the text as the tower gives it.
    """
    names = [name.replace("_", " ") for name in classnames]
    texts = [template.replace("{}", name) for template in templates for name in names]
    features = clip.text.encode(texts, normalised=not raw_mean).unflatten(0, (len(templates), len(names)))
    mean = features.mean(0)
    return unit(mean) if normalised else mean
