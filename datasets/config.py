"""The configuration keys that data sets read."""

KEYS = {
    "DATASET.SUBSAMPLE_CLASSES": "all",  # all, base or new
    "DATASET.FOLDER": "",  # folder below DATASET.ROOT, instead of the table's
    "DATASET.IMAGES": "",  # image folder below it, instead of the table's
    "DATASET.SPLIT": "",  # split file in it, instead of the table's
    "DATASET.TEMPLATE": "",  # prompt with {} for the class name, instead of the table's
    "DATASET.MODALITY": "",  # what the images are, instead of the table's
    "DATASET.ALLOW_OUTSIDE": False,  # paths of a split may lead out of its folder
    "DATALOADER.CACHE": False,  # keep decoded, resized images on disk
    "DATALOADER.CACHE_FEATURES": False,  # keep features of frozen image towers on disk (see trainers.life.features)
    "DATALOADER.CACHE_DIR": "",  # where; "": image_cache, feature_cache in DATASET.ROOT, or in OUTPUT_DIR if that is read-only
    "DATALOADER.CACHE_SIZE": 0,  # shorter side in pixels; 0 means the input size
}


def extend_cfg(cfg) -> None:
    """Add the keys with their defaults to Dassl's configuration (yacs CfgNode), keeping values that are already there."""
    for key, default in KEYS.items():
        section, name = key.split(".")
        if name not in cfg[section]:
            cfg[section][name] = default
