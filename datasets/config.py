"""The configuration keys that data sets read."""

from toolbox.options import Option, default_of

from .quotas import COOP, DRAWS

KEYS = {
    "DATASET.SUBSAMPLE_CLASSES": Option(
        "all", "classes that are trained on and tested: all, or one half of them", choices=("all", "base", "new")
    ),
    "DATASET.DRAW": Option(
        COOP,
        "few-shot draw: CoOp's own, or one without validation images (docs/realistic.md)",
        choices=DRAWS,
    ),
    "DATASET.FOLDER": Option("", "folder below DATASET.ROOT, instead of the table's"),
    "DATASET.IMAGES": Option("", "image folder below it, instead of the table's"),
    "DATASET.SPLIT": Option("", "split file in it, instead of the table's"),
    "DATASET.TEMPLATE": Option("", "prompt with {} for the class name, instead of the table's"),
    "DATASET.MODALITY": Option("", "what the images are, instead of the table's"),
    "DATASET.CLASS_TEXT": Option(
        "name",
        "what stands for a class in prompts: its name, or its description or plain words in llm/descriptions",
        choices=("name", "description", "plain"),
    ),
    "DATASET.WINDOW": Option(
        "", 'window for grey DICOM images: "40 400", lung, bone, brain, soft tissue; "" is the one in the file'
    ),
    "DATASET.ALLOW_OUTSIDE": Option(False, "paths of a split may lead out of its folder"),
    "INPUT.EXIF": Option(True, "turn images as their EXIF orientation says; False for numbers made without it"),
    "INPUT.ALLOW_TRUNCATED": Option(False, "read JPEGs that lack their last bytes; what is missing is grey"),
    "DATALOADER.CACHE": Option(False, "keep decoded, resized images on disk"),
    "DATALOADER.CACHE_FEATURES": Option(False, "keep features of frozen image towers on disk (trainers.life.features)"),
    "DATALOADER.CACHE_DIR": Option(
        "", 'where; "" is image_cache, feature_cache in DATASET.ROOT, or in OUTPUT_DIR if that is read-only'
    ),
    "DATALOADER.CACHE_SIZE": Option(0, "shorter side of kept images in pixels; 0 is the input size", 0, 16_384),
}


def extend_cfg(cfg) -> None:
    """Add the keys with their defaults to Dassl's configuration (yacs CfgNode), keeping values that are already there."""
    for key, option in KEYS.items():
        section, name = key.split(".")
        if name not in cfg[section]:
            cfg[section][name] = default_of(option)
